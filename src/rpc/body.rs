//! The body of a call, which looks ahead: so its last frame says that it is the last. Otherwise an empty frame would have to
//! follow, one more write to a socket for each call and one more wake-up at the other end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;

type Next = Option<Result<Frame<Bytes>, Status>>;

/// A body that knows its end as soon as it can be known.
pub(crate) struct Ahead {
    body: Body,
    next: Next,
    ended: bool,
}

impl Ahead {
    pub(crate) fn of(body: Body) -> Ahead {
        Ahead { ended: body.is_end_stream(), body, next: None }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended = frame.is_none();
        Poll::Ready(frame)
    }
}

impl hyper::body::Body for Ahead {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next> {
        let frame = match self.next.take() {
            Some(frame) => Some(frame),
            None => ready!(self.poll_body(cx)),
        };
        if frame.is_some()
            && let Poll::Ready(next) = self.poll_body(cx)
        {
            self.next = next;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.next.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.next.is_none() { self.body.size_hint() } else { SizeHint::default() }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{StreamExt as _, stream};

    use super::*;

    async fn next(body: &mut Ahead) -> Option<Bytes> {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
        Some(frame.unwrap().into_data().unwrap())
    }

    fn body(messages: impl futures_util::Stream<Item = &'static str> + Send + 'static) -> Ahead {
        let frames = messages.map(|text| Ok::<_, Status>(Frame::data(Bytes::from_static(text.as_bytes()))));
        Ahead::of(Body::new(http_body_util::StreamBody::new(frames)))
    }

    #[tokio::test]
    async fn the_last_frame_is_known_to_be_the_last() {
        let mut two = body(stream::iter(["a", "b"]));
        assert!(!two.is_end_stream());
        assert_eq!((next(&mut two).await.as_deref(), two.is_end_stream()), (Some(&b"a"[..]), false));
        assert_eq!((next(&mut two).await.as_deref(), two.is_end_stream()), (Some(&b"b"[..]), true));
        assert_eq!(next(&mut two).await, None);
        assert!(Ahead::of(Body::empty()).is_end_stream());
    }

    #[tokio::test]
    async fn what_goes_on_is_not_waited_for() {
        let mut endless = body(stream::iter(["a"]).chain(stream::pending()));
        assert_eq!((next(&mut endless).await.as_deref(), endless.is_end_stream()), (Some(&b"a"[..]), false));
    }
}
