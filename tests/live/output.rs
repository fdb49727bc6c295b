//! Commands whose stdout or stderr takes nothing: a closed pipe ends them without a message, a full disk behind stdout
//! is an error, and stderr never changes the exit code. Also which text of others reaches the terminal.

mod answers;
mod calls;
mod daemon;
mod end;
mod every_command;
mod hostile;
