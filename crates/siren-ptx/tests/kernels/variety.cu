// Instructions of ordinary CUDA C: tables, local arrays, switches, vectors, 64-bit and double arithmetic, asynchronous copies.

__constant__ float weights[8] = {0.5f, 1.0f, 1.5f, 2.0f, 2.5f, 3.0f, 3.5f, 4.0f};
__device__ int offsets[4] = {3, 1, 4, 1};
__device__ unsigned launches;

struct Settings {
    int count;
    float scale;
    double shift;
};

// A table in constant memory, a table in global memory, and a structure as argument.
extern "C" __global__ void table(Settings settings, float *out) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index == 0) launches += 1;
    if (index >= settings.count) return;
    double value = (double)(weights[index % 8] * settings.scale) + settings.shift;
    out[index] = (float)value + offsets[index & 3];
}

// An array in local memory, indexed at run time, and a switch.
extern "C" __global__ void local_array(const int *steps, int *out, int count) {
    int index = threadIdx.x, queue[16];
    for (int i = 0; i < 16; i++) queue[i] = i * i;
    int sum = 0;
    for (int i = 0; i < count; i++) {
        int step = steps[i];
        switch (step & 7) {
            case 0: sum += queue[(index + step) & 15]; break;
            case 1: sum -= queue[(index * 3) & 15]; break;
            case 2: queue[step & 15] = sum; break;
            case 3: sum ^= 0x55; break;
            case 4: sum = sum * 17 + 1; break;
            case 5: sum >>= 1; break;
            default: sum += __popc(sum); break;
        }
    }
    out[index] = sum;
}

// Rows of 4 floats come to shared memory by asynchronous copies, two stages ahead.
extern "C" __global__ void pipeline(const float4 *in, float4 *out, int stages) {
    __shared__ float4 buffer[2][64];
    int thread = threadIdx.x;
    unsigned to[2] = {(unsigned)__cvta_generic_to_shared(&buffer[0][thread]), (unsigned)__cvta_generic_to_shared(&buffer[1][thread])};
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\ncp.async.commit_group;" ::"r"(to[0]), "l"(in + thread) : "memory");
    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    for (int stage = 0; stage < stages; stage++) {
        if (stage + 1 < stages) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to[(stage + 1) & 1]), "l"(in + (stage + 1) * 64 + thread) : "memory");
        }
        asm volatile("cp.async.commit_group;\ncp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        float4 row = buffer[stage & 1][63 - thread];
        sum.x += row.x, sum.y += row.y, sum.z += row.z, sum.w += row.w;
        __syncthreads();
    }
    out[thread] = sum;
}

// Integers of all widths.
extern "C" __global__ void integers(const long long *in, long long *out, unsigned char *bytes, short *shorts) {
    int index = blockIdx.x * blockDim.x + threadIdx.x;
    long long a = in[2 * index], b = in[2 * index + 1];
    unsigned low = (unsigned)a, high = (unsigned)(b >> 32);
    out[4 * index] = a / (b | 1) + a % (b | 1);
    out[4 * index + 1] = __mul64hi(a, b) ^ (long long)__umulhi(low, high) ^ __mulhi((int)low, (int)high);
    out[4 * index + 2] = ((long long)__clzll(a) << 32) | __brev(low) ^ __byte_perm(low, high, 0x6240) ^ __funnelshift_l(low, high, 13);
    out[4 * index + 3] = min(a, b) + max((int)low, (int)high) + (low / (high | 1)) + abs((int)low);
    bytes[index] = (unsigned char)(a ^ b);
    shorts[index] = (short)((short)a * (short)b) >> 3;
}
