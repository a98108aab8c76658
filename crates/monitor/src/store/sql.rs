//! What a shard can do, whatever database it is: a session that runs statements.

/// A session with a shard's database. It blocks, and so belongs on a thread that may.
pub(super) trait Session: Send {
    /// Runs a statement that answers with no rows; says how many rows it changed.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<u64, Fault>;

    /// Runs a statement that answers with rows.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, Fault>;

    /// Begins a transaction that may write, and waits its turn for that.
    fn begin(&mut self) -> Result<(), Fault>;

    /// Until [`Session::rollback`] everything is read as it is at one moment.
    fn begin_snapshot(&mut self) -> Result<(), Fault>;

    /// What was done since [`Session::begin`] outlives the process and the power.
    fn commit(&mut self) -> Result<(), Fault>;

    /// Undoes what was done since [`Session::begin`]; without one, does nothing.
    fn rollback(&mut self);

    /// Adds records within a transaction; says how many were not there yet. One that was, by
    /// device and sequence, stays as it is.
    fn append(&mut self, records: &[Record]) -> Result<u64, Fault>;
}

/// A reading on its way into a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) device: u64,
    pub(super) sequence: u64,
    pub(super) time_ms: u64,
    pub(super) received_ms: u64,
    /// The fields as JSON.
    pub(super) body: String,
}

/// The databases differ in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Maria,
}

impl Dialect {
    /// How an insert begins that does nothing where a key is there already.
    pub(super) fn insert_unless_there(self) -> &'static str {
        match self {
            Self::Sqlite => "INSERT OR IGNORE",
            Self::Maria => "INSERT IGNORE",
        }
    }
}

/// A value of a statement or of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
}

/// What a query answers with, column by column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row(pub(super) Vec<Value>);

/// Why a shard did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// It cannot be reached, or did not answer in time. Another try may help.
    #[error("the shard does not answer: {0}")]
    Down(String),
    /// It answered, and the answer is no.
    #[error("the database refused: {0}")]
    Refused(String),
    /// It holds something else than the settings say.
    #[error("{0}")]
    Misplaced(String),
}

impl Row {
    /// The number in `column`; 0 for what is none, as the schema does not allow it.
    pub(super) fn number(&self, column: usize) -> u64 {
        self.optional(column).unwrap_or_default()
    }

    /// The number in `column`, unless it is null.
    pub(super) fn optional(&self, column: usize) -> Option<u64> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The number with a fraction in `column`; 0 for what is none, as the schema does not allow it.
    pub(super) fn real(&self, column: usize) -> f64 {
        match self.0.get(column) {
            Some(Value::Real(number)) => *number,
            _ => 0.0,
        }
    }

    /// The text in `column`; empty for what is none, as the schema does not allow it.
    pub(super) fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        // Numbers of ours are times and counts, which stay far below 2^63.
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::from(number as u64)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Runs `work` in a transaction of `session`, and undoes it on a fault.
pub(super) fn transaction<T>(
    session: &mut dyn Session,
    work: impl FnOnce(&mut dyn Session) -> Result<T, Fault>,
) -> Result<T, Fault> {
    session.begin()?;
    let done = work(session).and_then(|done| session.commit().map(|()| done));
    if done.is_err() {
        session.rollback();
    }
    done
}
