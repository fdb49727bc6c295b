//! What becomes of a command whose stdout or stderr takes nothing: a closed pipe is a quiet end, a full disk behind stdout an
//! error, and stderr decides over no exit code. And what of others' words reaches either of them.

mod answers;
mod calls;
mod daemon;
mod end;
mod every_command;
mod hostile;
