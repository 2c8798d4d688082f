//! Several logs as one, in the order of their times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use axum::body::Bytes;
use tokio::sync::mpsc;

/// A line as it goes over the wire, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// As dockerd writes it: such times are in the order of their texts.
    pub time: Bytes,
    /// The whole of it.
    pub text: Bytes,
}

/// Hands on the lines of all sources, the oldest of those at hand first, until there are no more or nobody takes them. Lines of one
/// source keep their order, whatever their times. Holds one line of each source.
pub(super) async fn merge(mut sources: Vec<mpsc::Receiver<Line>>, lines: &mpsc::Sender<Line>) {
    let mut heads = BinaryHeap::with_capacity(sources.len());
    for (number, source) in sources.iter_mut().enumerate() {
        heads.extend(source.recv().await.map(|line| Reverse((line.time, number, line.text))));
    }
    while let Some(Reverse((time, number, text))) = heads.pop() {
        if lines.send(Line { time, text }).await.is_err() {
            return;
        }
        heads.extend(sources[number].recv().await.map(|line| Reverse((line.time, number, line.text))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(lines: &[(&str, &str)]) -> mpsc::Receiver<Line> {
        let (sender, receiver) = mpsc::channel(lines.len().max(1));
        for (time, text) in lines {
            let line = Line { time: time.to_string().into(), text: text.to_string().into() };
            sender.try_send(line).unwrap();
        }
        receiver
    }

    async fn merged(sources: Vec<mpsc::Receiver<Line>>) -> String {
        let (lines, mut all) = mpsc::channel(100);
        merge(sources, &lines).await;
        drop(lines);
        let mut texts = String::new();
        while let Some(line) = all.recv().await {
            texts.push_str(std::str::from_utf8(&line.text).unwrap());
        }
        texts
    }

    #[tokio::test]
    async fn lines_come_by_time_and_those_of_one_log_as_they_were() {
        let first = [("2026-01-01T00:00:01Z", "a"), ("2026-01-01T00:00:04Z", "d"), ("2026-01-01T00:00:03Z", "e")];
        let second = [("2026-01-01T00:00:02Z", "b"), ("2026-01-01T00:00:03Z", "c"), ("2026-01-01T00:00:05Z", "f")];
        assert_eq!(merged(vec![source(&first), source(&[]), source(&second)]).await, "abcdef");
        assert_eq!(merged(vec![source(&second), source(&first)]).await, "abcdef");
        assert_eq!(merged(Vec::new()).await, "");
    }

    #[tokio::test]
    async fn who_has_gone_is_not_waited_for() {
        let (lines, all) = mpsc::channel(1);
        drop(all);
        let (_open, never) = mpsc::channel(1);
        let has_one = source(&[("1", "a")]);
        tokio::time::timeout(std::time::Duration::from_secs(5), async {
            tokio::select! {
                () = merge(vec![has_one, never], &lines) => panic!("the second source is still open"),
                () = lines.closed() => {}
            }
        })
        .await
        .unwrap();
    }
}
