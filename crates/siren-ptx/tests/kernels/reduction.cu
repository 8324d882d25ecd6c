// Sums of blocks of 256 values, by a tree in shared memory and shuffles; and the largest magnitude of all, by atomic operations.

extern "C" __global__ void block_sums(const float *values, float *sums, int count) {
    extern __shared__ float tree[];
    int thread = threadIdx.x, index = blockIdx.x * blockDim.x + thread;
    tree[thread] = index < count ? values[index] : 0.0f;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= 32; half /= 2) {
        if (thread < half) tree[thread] += tree[thread + half];
        __syncthreads();
    }
    if (thread < 32) {
        float sum = tree[thread];
        for (int half = 16; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half);
        if (thread == 0) sums[blockIdx.x] = sum;
    }
}

// Bits of floats that are not negative are ordered as integers.
extern "C" __global__ void largest_magnitude(const float *values, int *largest, int count) {
    __shared__ int block_largest;
    if (threadIdx.x == 0) block_largest = 0;
    __syncthreads();
    for (int index = blockIdx.x * blockDim.x + threadIdx.x; index < count; index += gridDim.x * blockDim.x) {
        atomicMax(&block_largest, __float_as_int(fabsf(values[index])));
    }
    __syncthreads();
    if (threadIdx.x == 0) atomicMax(largest, block_largest);
}
