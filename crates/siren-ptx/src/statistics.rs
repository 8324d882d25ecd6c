//! Counts of a launch.

/// What a launch executed. All counts are of warps, as hardware counts them, and summed over the blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// PTX instructions.
    pub instructions: u64,
    /// Those executed while lanes of the warp were elsewhere.
    pub divergent_instructions: u64,
    /// Matrix products (`mma`).
    pub matrix_products: u64,
    /// Barriers of blocks.
    pub barriers: u64,
    /// Loads, stores and atomic operations of shared memory; `ldmatrix` counts once.
    pub shared_accesses: u64,
    /// Passes through the 32 banks that those take; more than the bytes need are bank conflicts.
    pub shared_wavefronts: u64,
    /// Passes that would do without any bank conflict.
    pub shared_wavefronts_needed: u64,
    /// Bytes that lanes read and write in shared memory.
    pub shared_bytes: u64,
    /// Loads, stores and atomic operations of global memory.
    pub global_accesses: u64,
    /// Sectors of 32 bytes that those touch.
    pub global_sectors: u64,
    /// Bytes that lanes read and write in global memory.
    pub global_bytes: u64,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.divergent_instructions += other.divergent_instructions;
        self.matrix_products += other.matrix_products;
        self.barriers += other.barriers;
        self.shared_accesses += other.shared_accesses;
        self.shared_wavefronts += other.shared_wavefronts;
        self.shared_wavefronts_needed += other.shared_wavefronts_needed;
        self.shared_bytes += other.shared_bytes;
        self.global_accesses += other.global_accesses;
        self.global_sectors += other.global_sectors;
        self.global_bytes += other.global_bytes;
    }
}
