//! A stream without media: it waits, and it can be closed.

use std::task::{Context, Poll, Waker};

#[derive(Default)]
pub(crate) struct IdleStream {
    closed: bool,
    waker: Option<Waker>,
}

impl IdleStream {
    pub(crate) fn close(&mut self) {
        self.closed = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn poll<T>(&mut self, context: &Context<'_>) -> Poll<Option<T>> {
        if self.closed {
            return Poll::Ready(None);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn closing_wakes_the_reader_and_ends_the_stream() {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let context = Context::from_waker(&waker);
        let mut stream = IdleStream::default();
        assert!(stream.poll::<()>(&context).is_pending());
        assert!(stream.poll::<()>(&context).is_pending());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);

        stream.close();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(stream.poll::<()>(&context), Poll::Ready(None));

        stream.close();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(stream.poll::<()>(&context), Poll::Ready(None));
    }
}
