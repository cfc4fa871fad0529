//! A case as JSON: what `rain case show --json` prints and the JSON report holds.

use serde_json::{Value, json};

use super::change::{Origin, Subject};
use super::state::State;

/// Everything but the pictures. `log` adds every entry of the audit log.
pub fn summary(state: &State, log: bool) -> Value {
    let queries: Vec<Value> = state.queries.keys().map(|id| query(state, *id)).collect();
    let entries = log.then(|| state.log.iter().map(|e| entry(e)).collect::<Vec<Value>>());
    let mut out = json!({
        "note": "Candidates are ranked; a person decides.",
        "case": state.about,
        "head": state.head(),
        "entries": state.log.len(),
        "models": state.models.values().collect::<Vec<_>>(),
        "galleries": state.galleries,
        "queries": queries,
    });
    if let (Some(entries), Some(out)) = (entries, out.as_object_mut()) {
        out.insert("log".into(), entries.into());
    }
    out
}

fn query(state: &State, id: u64) -> Value {
    let own = Subject::query(id);
    let searches: Vec<Value> = state
        .searches
        .iter()
        .filter(|(_, search)| search.query == id)
        .map(|(number, search)| json!({ "search": number, "seen": search }))
        .collect();
    let verdicts: Vec<Value> = state
        .verdicts
        .iter()
        .filter(|(subject, _)| subject.query == id)
        .map(|(subject, verdict)| {
            let reviews: Vec<Value> = state
                .reviews_of(subject)
                .map(|(by, review)| {
                    json!({ "by": by, "at": review.at, "verdict": review.judgement, "of": review.of, "review": review.words() })
                })
                .collect();
            json!({
                "image": subject.image, "verdict": verdict.judgement, "by": verdict.by, "at": verdict.at,
                "hash": verdict.hash, "seen": verdict.seen, "reviews": reviews,
            })
        })
        .collect();
    let images = |subject: &&Subject| subject.query == id && subject.image.is_some();
    let bookmarks: Vec<&Option<String>> = state.bookmarks.keys().filter(images).map(|s| &s.image).collect();
    let tags: Vec<Value> = state
        .tags
        .iter()
        .filter(|((subject, _), _)| subject.query == id)
        .map(|((subject, tag), mark)| json!({ "image": subject.image, "tag": tag, "by": mark.by, "at": mark.at }))
        .collect();
    let notes: Vec<Value> = state
        .notes
        .iter()
        .filter(|(subject, _)| subject.query == id)
        .map(|(subject, note)| json!({ "image": subject.image, "text": note.text, "by": note.by, "at": note.at }))
        .collect();
    json!({
        "query": id, "file": state.queries.get(&id), "bookmarked": state.bookmarks.contains_key(&own),
        "searches": searches, "verdicts": verdicts, "bookmarks": bookmarks, "tags": tags, "notes": notes,
    })
}

fn entry(entry: &super::Entry) -> Value {
    let words = entry.change.words();
    let (undoes, redoes) = match entry.origin {
        Origin::Done => (None, None),
        Origin::Undoes(of) => (Some(of), None),
        Origin::Redoes(of) => (None, Some(of)),
    };
    json!({
        "seq": entry.seq, "at": entry.at, "who": entry.who, "what": words.what, "from": words.from, "to": words.to,
        "undoes": undoes, "redoes": redoes, "hash": entry.hash,
    })
}
