//! Ranks that are processes of MPI.
//!
//! One thread of the process makes all calls of MPI, which is the least that an MPI library supports.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use mpi::datatype::{Partition, PartitionMut};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives as _};
use mpi::{Count, Threading};
use siren_core::ranks::{Link, Parts, Ranks};
use siren_core::{Error, Result};

/// Exit status of a run that a panic on one rank ended.
const PANIC_STATUS: i32 = 101;

/// What the thread is to do.
enum Request {
    Gather {
        own: Vec<u8>,
        counts: Vec<Count>,
    },
    Exchange {
        bytes: Vec<u8>,
        sent: Vec<Count>,
        counts: Vec<Count>,
    },
    /// End all ranks at once.
    Abort,
}

/// What the thread answers.
enum Reply {
    /// MPI is initialized.
    Ready { rank: usize, count: usize },
    /// MPI is not available.
    Unavailable,
    /// Bytes of all ranks.
    Received(Vec<u8>),
}

/// Both ends of the conversation with the thread.
struct Conversation {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
}

/// Link of one process.
struct MpiLink {
    rank: usize,
    count: usize,
    conversation: Option<Mutex<Conversation>>,
    thread: Option<JoinHandle<()>>,
}

/// Initializes MPI, and returns the ranks of all processes that were started together. MPI ends when the last clone is dropped.
///
/// # Errors
/// [`Error::InvalidValue`] if MPI cannot be initialized.
pub(super) fn join() -> Result<Ranks> {
    let (requests, received) = channel();
    let (sender, replies) = channel();
    let thread = std::thread::Builder::new().name("mpi".to_owned());
    let thread = thread.spawn(move || serve(&received, &sender));
    let thread = thread.map_err(|error| unavailable(&error.to_string()))?;
    let Ok(Reply::Ready { rank, count }) = replies.recv() else {
        return Err(unavailable("it is initialized already, or was finalized"));
    };
    Ok(Ranks::new(MpiLink {
        rank,
        count,
        conversation: Some(Mutex::new(Conversation { requests, replies })),
        thread: Some(thread),
    }))
}

fn unavailable(reason: &str) -> Error {
    Error::invalid(
        "MPI",
        "not available",
        &format!("a library that starts ({reason})"),
    )
}

/// Answers requests until there are no more.
fn serve(requests: &Receiver<Request>, replies: &Sender<Reply>) {
    let Some((universe, _)) = mpi::initialize_with_threading(Threading::Funneled) else {
        let _ = replies.send(Reply::Unavailable);
        return;
    };
    let world = universe.world();
    let ready = Reply::Ready {
        rank: world.rank() as usize,
        count: world.size() as usize,
    };
    // Without a listener there are no requests either.
    let _ = replies.send(ready);
    while let Ok(request) = requests.recv() {
        let received = answer(&world, request);
        let _ = replies.send(Reply::Received(received));
    }
}

/// Calls MPI. An error of MPI ends all ranks, as is its default.
///
/// Every buffer has an allocation: the pointer of an empty `Vec` is 1, which Open MPI takes for `MPI_IN_PLACE`.
fn answer(world: &SimpleCommunicator, request: Request) -> Vec<u8> {
    match request {
        Request::Gather { mut own, counts } => {
            own.reserve(1);
            let mut all = buffer(&counts);
            let displacements = displacements(&counts);
            let mut parts = PartitionMut::new(all.as_mut_slice(), counts, displacements);
            world.all_gather_varcount_into(own.as_slice(), &mut parts);
            all
        }
        Request::Exchange {
            mut bytes,
            sent,
            counts,
        } => {
            bytes.reserve(1);
            let mut all = buffer(&counts);
            let displacements_of_all = displacements(&counts);
            let mut parts = PartitionMut::new(all.as_mut_slice(), counts, displacements_of_all);
            let displacements = displacements(&sent);
            let own = Partition::new(bytes.as_slice(), sent, displacements);
            world.all_to_all_varcount_into(&own, &mut parts);
            all
        }
        Request::Abort => world.abort(PANIC_STATUS),
    }
}

fn buffer(counts: &[Count]) -> Vec<u8> {
    let len = counts.iter().map(|&count| count as usize).sum();
    let mut buffer = Vec::with_capacity(len + 1);
    buffer.resize(len, 0);
    buffer
}

fn displacements(counts: &[Count]) -> Vec<Count> {
    let ends = counts.iter().scan(0, |end, &count| {
        let start = *end;
        *end += count;
        Some(start)
    });
    ends.collect()
}

/// Returns lengths as MPI counts them.
fn counts(lens: &[usize]) -> Result<Vec<Count>> {
    let total: usize = lens.iter().sum();
    if Count::try_from(total).is_err() {
        let expected = "less than 2 GiB in one exchange of MPI: a smaller network, or fewer ranks";
        return Err(Error::invalid("bytes", total, expected));
    }
    Ok(lens.iter().map(|&len| len as Count).collect())
}

impl MpiLink {
    fn call(&self, request: Request) -> Result<Vec<u8>> {
        let gone = || Error::Rank {
            rank: self.rank,
            count: self.count,
            message: "its thread of MPI has ended".to_owned(),
        };
        let conversation = self.conversation.as_ref().ok_or_else(gone)?;
        let conversation = conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = conversation.requests.send(request);
        sent.map_err(|_| gone())?;
        match conversation.replies.recv() {
            Ok(Reply::Received(bytes)) => Ok(bytes),
            _ => Err(gone()),
        }
    }
}

impl Link for MpiLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn count(&self) -> usize {
        self.count
    }

    fn gather(&self, own: Vec<u8>, lens: &[usize]) -> Result<Vec<u8>> {
        let counts = counts(lens)?;
        self.call(Request::Gather { own, counts })
    }

    fn exchange(&self, parts: Parts<'_>, lens: &[usize]) -> Result<Vec<u8>> {
        let (sent, counts) = (counts(parts.lens)?, counts(lens)?);
        self.call(Request::Exchange {
            bytes: parts.bytes,
            sent,
            counts,
        })
    }
}

impl Drop for MpiLink {
    /// Ends MPI. After a panic, the other ranks would wait for this one: they are ended.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.call(Request::Abort);
        }
        // Without a sender the thread ends.
        self.conversation = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
