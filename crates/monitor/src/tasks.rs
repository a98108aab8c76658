//! Tasks that end with the process.

/// Starts `future` beside everything else. What it serves has a bound of its own.
#[expect(clippy::disallowed_methods, reason = "this is the file the rule names")]
pub(crate) fn spawn<F>(future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future)
}
