// Random numbers by counting: the twin of mdpkit/_random.py, word for word.
// Source: Salmon, Moraes, Dror & Shaw (2011).

struct Words {
    unsigned a, b, c, d;
};

__device__ inline Words philox(
    unsigned long long key, unsigned long long high, unsigned long long low
) {
    unsigned k0 = (unsigned)key, k1 = (unsigned)(key >> 32);
    Words c = {(unsigned)low, (unsigned)(low >> 32), (unsigned)high, (unsigned)(high >> 32)};
    for (int round = 0; round < 10; round++) {
        unsigned long long p0 = 0xD2511F53ull * c.a, p1 = 0xCD9E8D57ull * c.c;
        c = {(unsigned)(p1 >> 32) ^ c.b ^ k0, (unsigned)p1,
             (unsigned)(p0 >> 32) ^ c.d ^ k1, (unsigned)p0};
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return c;
}

// A number in [0, 1): 53 bits of two words, 32 of one.
__device__ inline double unit(unsigned a, unsigned b) {
    return ((a >> 5) * 67108864.0 + (b >> 6)) * (1.0 / 9007199254740992.0);
}

__device__ inline double short_unit(unsigned a) { return a * (1.0 / 4294967296.0); }

// The first entry of upper[begin … end) that exceeds u; `end` if none does.
__device__ inline long long above(
    const double* upper, long long begin, long long end, double u
) {
    while (begin < end) {
        long long middle = (begin + end) / 2;
        if (upper[middle] > u) {
            end = middle;
        } else {
            begin = middle + 1;
        }
    }
    return begin;
}
