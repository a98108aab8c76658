//! Files of this machine: which one a request means, and the answer it gives.
//!
//! Names are looked up and files are opened and read on the worker's own thread: what the page cache
//! holds costs less than a message to another thread would.

mod roots;
mod send;

use std::sync::Arc;

use evenkeel_core::coding::{Accepted, Coding};
use evenkeel_core::config::{Files, HeaderEdits};
use evenkeel_core::fault::Fault;
use evenkeel_core::files::{
    Around, EntityTag, Facts, Multipart, Representation, Verdict, judge, name, unsatisfied_range,
    write_answer,
};
use evenkeel_core::message::request::RequestHead;
use evenkeel_sys::{Found, OpenFile};

pub(crate) use self::roots::Roots;
pub(crate) use self::send::{FileBody, send};
use crate::clock::Date;
use crate::own::Own;
use crate::receive::Goal;

/// Which compressed form is sent to a client that takes several as gladly: the smallest, as whoever
/// made them beforehand had the time.
const PRECOMPRESSED: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// A request for a file.
#[derive(Debug)]
pub(crate) struct Asked<'a, 's, 'b> {
    pub(crate) files: &'a Arc<Files>,
    pub(crate) head: &'a RequestHead<'s, 'b>,
    /// The part of the request's path that is below the root, with a slash in front.
    pub(crate) path: &'a str,
    pub(crate) keep_alive: bool,
    pub(crate) via: Option<&'a str>,
    pub(crate) hsts: Option<&'a str>,
    pub(crate) edits: &'a HeaderEdits,
}

/// What files are found with.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    pub(crate) roots: &'a Roots,
    pub(crate) date: &'a Date,
    /// Any number, for what divides the parts of an answer.
    pub(crate) chance: u64,
}

/// What looking for a file ended with.
enum Sought {
    File(OpenFile),
    /// The request needs a slash behind its path, so that the links of the page work.
    Folder,
    Nothing,
    Forbidden,
}

/// Finds the file and decides on the answer; if it is the file, its head is in `reply`.
pub(crate) fn goal(
    asked: &Asked<'_, '_, '_>,
    finder: &Finder<'_>,
    reply: &mut Vec<u8>,
) -> Result<Goal, Fault> {
    if !matches!(asked.head.method, "GET" | "HEAD") {
        return Ok(Own::with(405, "Allow", "GET, HEAD".to_owned()).into());
    }
    let mut scratch = Vec::new();
    let Some(name) = name(asked.path, &mut scratch, asked.files.hidden) else {
        return Ok(Own::of(404).into());
    };
    let mut index = Vec::new();
    let (path, sought) = if name.is_folder {
        index.extend_from_slice(name.bytes);
        let sought = asked.index(&mut index, finder)?;
        (&index[..], sought)
    } else {
        (name.bytes, asked.file(name.bytes, finder)?)
    };
    let own = match sought {
        Sought::File(file) => return asked.representation(path, file, finder, reply),
        // The path is a normal one: it starts with a single slash, and names no other host.
        Sought::Folder => Own::with(301, "Location", asked.with_slash()),
        Sought::Nothing => Own::of(404),
        Sought::Forbidden => Own::of(403),
    };
    Ok(own.into())
}

impl Asked<'_, '_, '_> {
    fn file(&self, path: &[u8], finder: &Finder<'_>) -> Result<Sought, Fault> {
        Ok(match finder.roots.look_up(self.files, path)? {
            Found::File(file) => Sought::File(file),
            Found::Folder => Sought::Folder,
            Found::Nothing => Sought::Nothing,
            Found::Forbidden => Sought::Forbidden,
        })
    }

    /// The first index there is in the folder; `path` is its name then.
    fn index(&self, path: &mut Vec<u8>, finder: &Finder<'_>) -> Result<Sought, Fault> {
        if !path.is_empty() {
            path.push(b'/');
        }
        let folder = path.len();
        for index in &self.files.index {
            path.truncate(folder);
            path.extend_from_slice(index.as_bytes());
            match self.file(path, finder)? {
                Sought::Nothing | Sought::Folder => {}
                sought => return Ok(sought),
            }
        }
        Ok(Sought::Nothing)
    }

    /// `path` is the name of `file`.
    fn representation(
        &self,
        path: &[u8],
        file: OpenFile,
        finder: &Finder<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Goal, Fault> {
        let (file, coding) = self.best_form(path, file, finder)?;
        let (date, now) = finder.date.now();
        let facts = Facts { size: file.size, modified: file.modified };
        let representation = Representation {
            facts: facts.told(now),
            tag: EntityTag::new(facts, coding),
            content_type: self.files.content_type(path),
            coding,
            varies: self.files.precompressed,
            expires: self.files.expires(path),
        };
        let head_only = self.head.method == "HEAD";
        let (facts, tag) = (representation.facts, &representation.tag);
        let verdict = judge(&self.head.fields, head_only, facts, tag);
        let (status, left, parts) = match &verdict {
            Verdict::Whole if head_only => (200, 0..0, None),
            Verdict::Whole => (200, 0..file.size, None),
            Verdict::Part(range) => (206, range.clone(), None),
            Verdict::Parts(ranges) => {
                let parts = Multipart::new(&representation, ranges.clone(), finder.chance);
                (206, 0..0, Some(parts))
            }
            Verdict::NotModified => (304, 0..0, None),
            Verdict::PreconditionFailed => return Ok(Own::of(412).into()),
            Verdict::Unsatisfiable => {
                let size = unsatisfied_range(file.size);
                return Ok(Own::with(416, "Content-Range", size).into());
            }
        };
        let around = Around {
            date: (&date, now),
            keep_alive: self.keep_alive,
            client: self.head.version,
            via: self.via,
            hsts: self.hsts,
            edits: self.edits,
        };
        reply.clear();
        write_answer(reply, &representation, &verdict, parts.as_ref(), &around);
        Ok(Goal::File(Box::new(FileBody { status, file, left, parts })))
    }

    /// `file`, or the compressed form of it that the client likes best.
    fn best_form(
        &self,
        path: &[u8],
        file: OpenFile,
        finder: &Finder<'_>,
    ) -> Result<(OpenFile, Option<Coding>), Fault> {
        if self.files.precompressed {
            let accepted = Accepted::read(self.head.fields.all("accept-encoding"));
            for coding in accepted.best_of(PRECOMPRESSED) {
                let path = [path, coding.suffix().as_bytes()].concat();
                if let Sought::File(file) = self.file(&path, finder)? {
                    return Ok((file, Some(coding)));
                }
            }
        }
        Ok((file, None))
    }

    /// The path of the request as a folder's; relative, so that it holds whatever name and port the
    /// client knows this node by.
    fn with_slash(&self) -> String {
        match self.head.query {
            Some(query) => format!("{}/?{query}", self.head.path),
            None => format!("{}/", self.head.path),
        }
    }
}
