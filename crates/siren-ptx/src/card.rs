//! Limits of cards by compute capability.

/// A card, by its compute capability, with the properties of one product of that capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    major: u32,
    minor: u32,
    /// Name of a product.
    name: &'static str,
    /// Shared memory of a block after opting in, in KiB.
    shared_kib: u32,
    multiprocessor_shared_kib: u32,
    multiprocessors: u32,
    threads_of_multiprocessor: u32,
    l2_mib: u32,
    memory_gib: u32,
}

impl Card {
    /// Shared memory of a block without opting in to more.
    pub const SHARED_BYTES: u32 = 48 * 1024;

    /// The cards that are known.
    pub const ALL: [Self; 7] = [
        Self {
            major: 8,
            minor: 0,
            name: "A100",
            shared_kib: 163,
            multiprocessor_shared_kib: 164,
            multiprocessors: 108,
            threads_of_multiprocessor: 2048,
            l2_mib: 40,
            memory_gib: 40,
        },
        Self {
            major: 8,
            minor: 6,
            name: "GeForce RTX 3090",
            shared_kib: 99,
            multiprocessor_shared_kib: 100,
            multiprocessors: 82,
            threads_of_multiprocessor: 1536,
            l2_mib: 6,
            memory_gib: 24,
        },
        Self {
            major: 8,
            minor: 7,
            name: "Jetson AGX Orin",
            shared_kib: 163,
            multiprocessor_shared_kib: 164,
            multiprocessors: 16,
            threads_of_multiprocessor: 1536,
            l2_mib: 4,
            memory_gib: 32,
        },
        Self {
            major: 8,
            minor: 9,
            name: "GeForce RTX 4090",
            shared_kib: 99,
            multiprocessor_shared_kib: 100,
            multiprocessors: 128,
            threads_of_multiprocessor: 1536,
            l2_mib: 72,
            memory_gib: 24,
        },
        Self {
            major: 9,
            minor: 0,
            name: "H100",
            shared_kib: 227,
            multiprocessor_shared_kib: 228,
            multiprocessors: 132,
            threads_of_multiprocessor: 2048,
            l2_mib: 50,
            memory_gib: 80,
        },
        Self {
            major: 10,
            minor: 0,
            name: "B200",
            shared_kib: 227,
            multiprocessor_shared_kib: 228,
            multiprocessors: 148,
            threads_of_multiprocessor: 2048,
            l2_mib: 126,
            memory_gib: 180,
        },
        Self {
            major: 12,
            minor: 0,
            name: "GeForce RTX 5090",
            shared_kib: 99,
            multiprocessor_shared_kib: 100,
            multiprocessors: 170,
            threads_of_multiprocessor: 1536,
            l2_mib: 96,
            memory_gib: 32,
        },
    ];

    /// Returns the card of an architecture as compilers name it, such as `sm_89`.
    #[must_use]
    pub fn from_architecture(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|card| card.architecture() == name)
    }

    /// Returns the architecture as compilers name it, such as `sm_89`.
    #[must_use]
    pub fn architecture(self) -> String {
        format!("sm_{}{}", self.major, self.minor)
    }

    /// Returns major and minor number of the compute capability.
    #[must_use]
    pub fn compute_capability(self) -> [u32; 2] {
        [self.major, self.minor]
    }

    /// Returns the name of the product.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// Returns the most bytes of shared memory of a block after opting in.
    #[must_use]
    pub fn shared_bytes_opt_in(self) -> u32 {
        self.shared_kib * 1024
    }

    /// Returns the bytes of shared memory of a multiprocessor.
    #[must_use]
    pub fn shared_bytes_of_multiprocessor(self) -> u32 {
        self.multiprocessor_shared_kib * 1024
    }

    /// Returns the number of multiprocessors.
    #[must_use]
    pub fn multiprocessors(self) -> u32 {
        self.multiprocessors
    }

    /// Returns the most threads that a multiprocessor holds.
    #[must_use]
    pub fn threads_of_multiprocessor(self) -> u32 {
        self.threads_of_multiprocessor
    }

    /// Returns the size of the L2 cache in bytes.
    #[must_use]
    pub fn l2_bytes(self) -> u64 {
        u64::from(self.l2_mib) << 20
    }

    /// Returns the size of the memory in bytes.
    #[must_use]
    pub fn memory_bytes(self) -> u64 {
        u64::from(self.memory_gib) << 30
    }
}

impl Default for Card {
    /// An A100, compute capability 8.0.
    fn default() -> Self {
        Self::ALL[0]
    }
}
