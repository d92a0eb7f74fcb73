// A stand-in for CUDA's driver library: its functions over host memory, for tests without a GPU.
//
// A device address is mapped without access, so a program that touches it is killed; the bytes are
// in a second mapping of the same memory file. An IPC handle names that file by process and
// descriptor. Every call checks what the driver checks: the current context of the thread, the
// address, the range, the process that initialized it.
//
// Variables, read at each call:
//   CUDA_STANDIN_DEVICES  how many devices there are (2)
//   CUDA_STANDIN_MEMORY   bytes of each device (1 GiB)
//   CUDA_STANDIN_FAIL     "function=code,function=code": these functions fail
//   CUDA_STANDIN_MEET     so many first calls retain a context at once: each waits for the others
// Compiled with TOO_OLD, it lacks what CUDA 11 brought.
//
// standin_count(name) returns how often a function was called, and the numbers of what is alive:
// "allocations", "opened", "contexts", "entered", "strays" (calls that a program must not make).
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct context {
    int retained;
    int device;
} *CUcontext;
typedef struct {
    char reserved[64];
} CUipcMemHandle;

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
};

static const struct {
    CUresult code;
    const char *name, *text;
} ERRORS[] = {
    {SUCCESS, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
};

#define DEVICES_MAX 64
#define STACK_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t initialized;
static struct context contexts[DEVICES_MAX];
static size_t used[DEVICES_MAX];
static __thread CUcontext stack[STACK_MAX];
static __thread int depth;

// What was allocated or opened.
struct memory {
    char *address, *bytes;
    size_t size;
    int file, device, is_opened;
    struct memory *next;
};
static struct memory *memories;

static struct {
    const char *name;
    long count;
} counts[64];

static void count(const char *name, long change) {
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].name == NULL)
            counts[i].name = name;
        if (strcmp(counts[i].name, name) == 0) {
            counts[i].count += change;
            return;
        }
    }
    abort();
}

long standin_count(const char *name) {
    pthread_mutex_lock(&lock);
    long found = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts && counts[i].name; i++)
        if (strcmp(counts[i].name, name) == 0)
            found = counts[i].count;
    pthread_mutex_unlock(&lock);
    return found;
}

static long setting(const char *name, long otherwise) {
    const char *value = getenv(name);
    return value && *value ? atol(value) : otherwise;
}

static int device_count(void) {
    long wanted = setting("CUDA_STANDIN_DEVICES", 2);
    return wanted < 0 ? 0 : wanted > DEVICES_MAX ? DEVICES_MAX : (int)wanted;
}

static CUresult injected(const char *function) {
    const char *list = getenv("CUDA_STANDIN_FAIL");
    size_t length = strlen(function);
    while (list && *list) {
        if (strncmp(list, function, length) == 0 && list[length] == '=')
            return atoi(list + length + 1);
        list = strchr(list, ',');
        list = list ? list + 1 : NULL;
    }
    return SUCCESS;
}

// Begins a function: counts it, and returns the error that it is to fail with. The lock is taken.
static CUresult begin(const char *function, int needs_init) {
    if (initialized && initialized != getpid()) {
        // The driver of a forked child is in an undefined state, and its lock may be taken.
        fprintf(stderr, "stand-in driver: %s was called in a forked child\n", function);
        abort();
    }
    pthread_mutex_lock(&lock);
    count(function, 1);
    if (needs_init && !initialized)
        return NOT_INITIALIZED;
    return injected(function);
}

static CUresult end(CUresult result) {
    pthread_mutex_unlock(&lock);
    return result;
}

#define BEGIN(needs_init)                                 \
    do {                                                  \
        CUresult failed = begin(__func__, needs_init);    \
        if (failed)                                       \
            return end(failed);                           \
    } while (0)

static CUcontext current(void) {
    return depth ? stack[depth - 1] : NULL;
}

#define NEEDS_CONTEXT                                     \
    do {                                                  \
        if (!current()) {                                 \
            count("strays", 1);                           \
            return end(INVALID_CONTEXT);                  \
        }                                                 \
    } while (0)

CUresult cuInit(unsigned flags) {
    BEGIN(0);
    if (flags)
        return end(INVALID_VALUE);
    if (device_count() == 0)
        return end(NO_DEVICE);
    initialized = getpid();
    return end(SUCCESS);
}

CUresult cuDriverGetVersion(int *version) {
    BEGIN(0);
#ifdef TOO_OLD
    *version = 10020;
#else
    *version = 12040;
#endif
    return end(SUCCESS);
}

CUresult cuGetErrorName(CUresult code, const char **name) {
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (ERRORS[i].code == code) {
            *name = ERRORS[i].name;
            return SUCCESS;
        }
    *name = NULL;
    return INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **text) {
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (ERRORS[i].code == code) {
            *text = ERRORS[i].text;
            return SUCCESS;
        }
    *text = NULL;
    return INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *number) {
    BEGIN(1);
    *number = device_count();
    return end(SUCCESS);
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
    BEGIN(1);
    if (ordinal < 0 || ordinal >= device_count())
        return end(INVALID_DEVICE);
    // Not the ordinal itself, so that one is not taken for the other.
    *device = ordinal + 1000;
    return end(SUCCESS);
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    BEGIN(1);
    int place = device - 1000;
    if (place < 0 || place >= device_count())
        return end(INVALID_DEVICE);
    static long met;
    static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
    met++;
    pthread_cond_broadcast(&change);
    while (met < setting("CUDA_STANDIN_MEET", 0))
        pthread_cond_wait(&change, &lock);
    contexts[place].device = place;
    contexts[place].retained++;
    count("contexts", 1);
    *context = &contexts[place];
    return end(SUCCESS);
}

#ifndef TOO_OLD
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    BEGIN(1);
    int place = device - 1000;
    if (place < 0 || place >= device_count() || !contexts[place].retained)
        return end(INVALID_DEVICE);
    contexts[place].retained--;
    count("contexts", -1);
    return end(SUCCESS);
}
#endif

CUresult cuCtxPushCurrent_v2(CUcontext context) {
    BEGIN(1);
    if (context < contexts || context >= contexts + DEVICES_MAX || !context->retained ||
        depth == STACK_MAX)
        return end(INVALID_CONTEXT);
    stack[depth++] = context;
    count("entered", 1);
    return end(SUCCESS);
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) {
    BEGIN(1);
    NEEDS_CONTEXT;
    *context = stack[--depth];
    count("entered", -1);
    return end(SUCCESS);
}

CUresult cuCtxSynchronize(void) {
    BEGIN(1);
    NEEDS_CONTEXT;
    return end(SUCCESS);
}

CUresult cuStreamSynchronize(void *stream) {
    BEGIN(1);
    NEEDS_CONTEXT;
    return end(stream ? INVALID_HANDLE : SUCCESS);
}

// Maps a file twice: where it must not be touched, and where the bytes are.
static struct memory *map(int file, size_t size) {
    struct memory *memory = calloc(1, sizeof *memory);
    memory->address = mmap(NULL, size, PROT_NONE, MAP_SHARED, file, 0);
    memory->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory->address == MAP_FAILED || memory->bytes == MAP_FAILED)
        abort();
    memory->size = size;
    memory->file = file;
    memory->next = memories;
    memories = memory;
    return memory;
}

static void unmap(struct memory *memory) {
    struct memory **place = &memories;
    while (*place != memory)
        place = &(*place)->next;
    *place = memory->next;
    munmap(memory->address, memory->size);
    munmap(memory->bytes, memory->size);
    close(memory->file);
    free(memory);
}

// The memory that contains a range, if there is one.
static struct memory *find(CUdeviceptr address, size_t length) {
    for (struct memory *memory = memories; memory; memory = memory->next) {
        CUdeviceptr first = (CUdeviceptr)(uintptr_t)memory->address;
        if (address >= first && address - first <= memory->size &&
            length <= memory->size - (address - first))
            return memory;
    }
    return NULL;
}

static char *bytes_at(struct memory *memory, CUdeviceptr address) {
    return memory->bytes + (address - (CUdeviceptr)(uintptr_t)memory->address);
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    BEGIN(1);
    NEEDS_CONTEXT;
    int device = current()->device;
    size_t room = (size_t)setting("CUDA_STANDIN_MEMORY", 1L << 30);
    if (size == 0)
        return end(INVALID_VALUE);
    if (size > room || used[device] > room - size)
        return end(OUT_OF_MEMORY);
    int file = memfd_create("cuda-standin", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, (off_t)size))
        return end(OUT_OF_MEMORY);
    struct memory *memory = map(file, size);
    memory->device = device;
    used[device] += size;
    // Memory of a device is not cleared.
    memset(memory->bytes, 0xA5, size < 4096 ? size : 4096);
    count("allocations", 1);
    *address = (CUdeviceptr)(uintptr_t)memory->address;
    return end(SUCCESS);
}

CUresult cuMemFree_v2(CUdeviceptr address) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(address, 0);
    if (!memory || memory->is_opened || memory->address != (char *)(uintptr_t)address) {
        count("strays", 1);
        return end(INVALID_VALUE);
    }
    used[memory->device] -= memory->size;
    unmap(memory);
    count("allocations", -1);
    return end(SUCCESS);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(address, 1);
    if (!memory)
        return end(INVALID_VALUE);
    *base = (CUdeviceptr)(uintptr_t)memory->address;
    *size = memory->size;
    return end(SUCCESS);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr target, const void *source, size_t length) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(target, length);
    if (!memory)
        return end(INVALID_VALUE);
    memcpy(bytes_at(memory, target), source, length);
    return end(SUCCESS);
}

CUresult cuMemcpyDtoH_v2(void *target, CUdeviceptr source, size_t length) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(source, length);
    if (!memory)
        return end(INVALID_VALUE);
    memcpy(target, bytes_at(memory, source), length);
    return end(SUCCESS);
}

CUresult cuMemsetD8_v2(CUdeviceptr target, unsigned char byte, size_t length) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(target, length);
    if (!memory)
        return end(INVALID_VALUE);
    memset(bytes_at(memory, target), byte, length);
    return end(SUCCESS);
}

CUresult cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(address, 0);
    if (!memory || memory->is_opened)
        return end(INVALID_VALUE);
    memset(handle, 0, sizeof *handle);
    snprintf(handle->reserved, sizeof handle->reserved, "/proc/%d/fd/%d", getpid(), memory->file);
    return end(SUCCESS);
}

#ifndef TOO_OLD
CUresult cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags) {
    BEGIN(1);
    NEEDS_CONTEXT;
    int owner, number, used_length = 0;
    handle.reserved[sizeof handle.reserved - 1] = 0;
    if (sscanf(handle.reserved, "/proc/%d/fd/%d%n", &owner, &number, &used_length) != 2 ||
        handle.reserved[used_length] || flags != 1)
        return end(INVALID_HANDLE);
    if (owner == getpid())
        return end(INVALID_CONTEXT);
    int file = open(handle.reserved, O_RDWR | O_CLOEXEC);
    struct stat state;
    if (file < 0 || fstat(file, &state) || state.st_size == 0) {
        if (file >= 0)
            close(file);
        return end(INVALID_HANDLE);
    }
    struct memory *memory = map(file, (size_t)state.st_size);
    memory->device = current()->device;
    memory->is_opened = 1;
    count("opened", 1);
    *address = (CUdeviceptr)(uintptr_t)memory->address;
    return end(SUCCESS);
}
#endif

CUresult cuIpcCloseMemHandle(CUdeviceptr address) {
    BEGIN(1);
    NEEDS_CONTEXT;
    struct memory *memory = find(address, 0);
    if (!memory || !memory->is_opened) {
        count("strays", 1);
        return end(INVALID_VALUE);
    }
    unmap(memory);
    count("opened", -1);
    return end(SUCCESS);
}
