// CUDA on a CPU, for small checks: the threads of a block are fibers of one thread, which run
// one after the other, in order or in reverse, and stop only where they wait for each other.
//
// It sees wrong indices, wrong formulas, barriers that not every thread reaches, and, by the two
// orders, results that a missing barrier makes depend on who comes first. It cannot see races
// between single instructions, masks, divergence or the memory's order.

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <ucontext.h>

#define MDPKIT_SHIM
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(n)

struct Dim {
    unsigned x;
};
static Dim threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

enum State { NEW, READY, BARRIER, GROUP, DONE };
const size_t STACK = 1 << 16, MOST = 1024, MEMORY = 1 << 16;

struct Fiber {
    State state;
    jmp_buf place;
    double value;
    unsigned width;
    char* stack;
};

static Fiber fibers[MOST];
static double memory[MEMORY / sizeof(double)];
static jmp_buf home;
static unsigned now;
typedef void (*Kernel)(void**);
static Kernel body;
static void** given;

// longjmp between stacks, since swapcontext asks the system each time.
static void wait(State why) {
    fibers[now].state = why;
    if (_setjmp(fibers[now].place) == 0) _longjmp(home, 1);
}

static void enter() {
    body(given);
    fibers[now].state = DONE;
    _longjmp(home, 1);
}

static void resume(unsigned i) {
    now = i;
    threadIdx.x = i;
    if (_setjmp(home) != 0) return;
    if (fibers[i].state == READY) _longjmp(fibers[i].place, 1);
    ucontext_t context;
    getcontext(&context);
    if (!fibers[i].stack) fibers[i].stack = (char*)malloc(STACK);
    context.uc_stack.ss_sp = fibers[i].stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = 0;
    makecontext(&context, enter, 0);
    setcontext(&context);
}

// Wake the groups all of whose lanes wait; return whether any did.
static bool wake_groups(unsigned n) {
    bool woken = false;
    for (unsigned i = 0; i < n; i++) {
        if (fibers[i].state != GROUP) continue;
        unsigned width = fibers[i].width, first = i - i % width, waiting = 0;
        for (unsigned k = first; k < first + width && k < n; k++) {
            waiting += fibers[k].state == GROUP && fibers[k].width == width;
        }
        if (waiting < width) continue;
        for (unsigned k = first; k < first + width; k++) fibers[k].state = READY;
        woken = true;
    }
    return woken;
}

static const char* run_block(unsigned n, bool reverse) {
    for (unsigned i = 0; i < n; i++) fibers[i].state = NEW;
    for (;;) {
        for (unsigned k = 0; k < n; k++) {
            unsigned i = reverse ? n - 1 - k : k;
            if (fibers[i].state == NEW || fibers[i].state == READY) resume(i);
        }
        unsigned done = 0, waiting = 0;
        for (unsigned i = 0; i < n; i++) {
            done += fibers[i].state == DONE;
            waiting += fibers[i].state == BARRIER;
        }
        if (done == n) return 0;
        if (wake_groups(n)) continue;
        if (done + waiting < n) return "a group waits for a lane that never comes";
        if (done > 0) return "a barrier that not every thread of the block reaches";
        for (unsigned i = 0; i < n; i++) fibers[i].state = READY;
    }
}

static const char* run(
    unsigned grid, unsigned block, unsigned shared, bool reverse, Kernel kernel, void** a
) {
    if (block > MOST || shared > MEMORY) return "a block larger than the shim's";
    gridDim.x = grid;
    blockDim.x = block;
    body = kernel;
    given = a;
    for (unsigned b = 0; b < grid; b++) {
        blockIdx.x = reverse ? grid - 1 - b : b;
        for (unsigned i = 0; i < MEMORY / sizeof(double); i++) memory[i] = NAN;
        if (const char* fault = run_block(block, reverse)) return fault;
    }
    return 0;
}

}  // namespace shim

static void __syncthreads() { shim::wait(shim::BARRIER); }

static void group_wait(int width) {
    shim::fibers[threadIdx.x].width = width;
    shim::wait(shim::GROUP);
}

static double group_exchange(double x, int offset, int width) {
    unsigned i = threadIdx.x;
    shim::fibers[i].value = x;
    group_wait(width);
    double found = shim::fibers[i ^ offset].value;
    group_wait(width);
    return found;
}

static double infinity() { return INFINITY; }

#define BLOCK_MEMORY(name) double* name = shim::memory
