-- Why the model stopped, in the provider's word.
ALTER TABLE turns ADD COLUMN finish_reason TEXT;
