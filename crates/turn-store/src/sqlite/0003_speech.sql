-- What was measured of spoken turns. A table of its own: figures of speech then read no row of a written turn, and no page of
-- its texts.
CREATE TABLE speech (
    span_id                TEXT PRIMARY KEY NOT NULL REFERENCES turns (span_id) ON DELETE CASCADE,
    last_speech_us         INTEGER,
    transcription_delay_us INTEGER,
    end_of_turn_delay_us   INTEGER,
    tts_ttfb_us            INTEGER,
    heard_us               INTEGER,
    played_us              INTEGER,
    cut_bytes              INTEGER
) WITHOUT ROWID;
-- When the first of what was asked for came.
ALTER TABLE attempts ADD COLUMN first_us INTEGER;
