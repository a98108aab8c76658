//! Follows the names that servers are listed by: one task each, for as long as it is listed.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use super::Node;
use crate::membership::Question;
use crate::names::lookup::Asker;
use crate::names::{good_for, retry_after};

/// Has every name in use asked for, again and again; never returns.
pub(crate) async fn keep_names(node: &Arc<Node>) {
    let mut tasks = JoinSet::new();
    let mut following: BTreeMap<Question, AbortHandle> = BTreeMap::new();
    let mut asker = None;
    loop {
        let wanted = node.wanted_names();
        let known = asker.take_if(|(generation, _)| *generation == wanted.generation);
        let (_, with) = asker.insert(known.unwrap_or_else(|| {
            following.values().for_each(AbortHandle::abort);
            following.clear();
            (wanted.generation, Arc::new(Asker::new(&wanted.resolver)))
        }));
        following.retain(|question, task| {
            let stays = wanted.questions.contains(question) && !task.is_finished();
            if !stays {
                task.abort();
            }
            stays
        });
        for question in wanted.questions {
            following.entry(question).or_insert_with_key(|question| {
                tasks.spawn(follow(Arc::clone(node), Arc::clone(with), question.clone()))
            });
        }
        tokio::select! {
            () = node.names_wanted.notified() => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn follow(node: Arc<Node>, asker: Arc<Asker>, question: Question) {
    let chance = RandomState::new();
    for round in 0_u64.. {
        let outcome = asker.ask(&question).await;
        let failures = node.note_answer(&question, &outcome);
        let random = chance.hash_one(round);
        let pause = match &outcome {
            Ok(answer) => good_for(answer.ttl, random),
            Err(_) => retry_after(failures, random),
        };
        tokio::time::sleep(pause).await;
    }
}
