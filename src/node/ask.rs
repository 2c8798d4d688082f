//! Asks several managers for the same thing, where any answer will do: one after the other, but without waiting long for one
//! that is off, or that was demoted a moment ago and looks for a leader in vain.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

/// How long a manager may take before the next one is asked as well. A node that gets a new role is not heard meanwhile, and
/// counts as gone a few seconds later.
const PATIENCE: Duration = Duration::from_millis(500);

/// The first good answer, else the last bad one; `None` if there is nobody to ask.
pub(super) async fn any_of<T, E, F>(managers: Vec<String>, ask: impl Fn(String) -> F) -> Option<Result<T, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut managers = managers.into_iter();
    let mut asked = FuturesUnordered::new();
    let mut last = None;
    loop {
        asked.extend(managers.next().map(&ask));
        match tokio::time::timeout(PATIENCE, asked.next()).await {
            Ok(Some(Ok(answer))) => return Some(Ok(answer)),
            Ok(Some(Err(error))) => last = Some(Err(error)),
            Ok(None) => return last,
            // Once everybody was asked, only their answers are left to wait for.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(managers: &[&str]) -> Option<Result<String, String>> {
        let answer = |manager: String| async move {
            match manager.as_str() {
                "silent" => std::future::pending().await,
                "slow" => {
                    tokio::task::yield_now().await;
                    Ok(manager)
                }
                "good" => Ok(manager),
                _ => Err(manager),
            }
        };
        any_of(managers.iter().map(ToString::to_string).collect(), answer).await
    }

    #[tokio::test]
    async fn one_that_is_silent_holds_nobody_up() {
        assert_eq!(ask(&["bad", "silent", "good"]).await, Some(Ok("good".into())));
    }

    #[tokio::test]
    async fn everybody_is_waited_for() {
        assert_eq!(ask(&["slow", "bad"]).await, Some(Ok("slow".into())));
        assert_eq!(ask(&["bad", "worse"]).await, Some(Err("worse".into())));
        assert_eq!(ask(&[]).await, None);
    }
}
