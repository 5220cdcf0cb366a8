/* Open-loop load: both phones of many calls, one packet at a time and evenly paced, whatever the relay does.
 *
 *     loadgen CALLER_FD CALLEE_FD RATE SIZE WARM_UP SECONDS RELAY_PID RELAY_CORE < targets
 *
 * The two descriptors are bound IPv4 UDP sockets: all callers send and receive on the first, all callees on the
 * second, so that a few system calls serve many packets and the generator is not what limits. Each line of
 * standard input is a call: "HOST PORT HOST PORT FIRST", where its caller and where its callee send and the sequence
 * number with which both begin. All phones together send RATE packets of SIZE bytes a second for WARM_UP seconds,
 * which are not counted, and SECONDS seconds, both rounded up so that each phone sends equally many. Then it waits
 * until nothing has come for 100 ms.
 *
 * Prints one line of JSON. A packet that is not at the other phone within 100 ms is lost. Latency runs from just
 * before the packet is sent until it has been read. `relay_cpu` is the time that process RELAY_PID used (0: none),
 * `core_busy` the time that core RELAY_CORE was not idle (-1: do not look), both while packets were counted.
 * The loop spins, because a sleeping generator would make the relay pay for waking it up.
 * bench/loadgen.py does the same, slowly, where there is no compiler.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SEND_BATCH = 8, RECEIVE_BATCH = 64, LARGEST = 1500, RTP_HEADER = 12 };
static const int64_t SECOND = 1000000000, TOO_LATE = 100000000, GIVE_UP = 5000000000;

/* What a packet carries behind its RTP header, in host byte order. */
struct stamp { uint32_t magic, number; int64_t sent_at; };

/* What relaying used, in seconds. */
struct usage { double cpu, busy; pid_t relay; int core; };

struct batch {
    int count;
    struct mmsghdr headers[RECEIVE_BATCH];
    struct iovec pieces[RECEIVE_BATCH];
    unsigned char packets[RECEIVE_BATCH][LARGEST];
};

static struct batch outgoing[2], incoming;
static int sockets[2];
static uint32_t magic;                   /* of this process: nothing of an earlier run counts */
static int size, streams;
static struct sockaddr_in *targets;      /* by stream; stream 2n is the caller of call n, 2n + 1 the callee */
static uint32_t *firsts;                 /* by stream: sequence number of its first packet */
static int64_t warm, total, next;        /* packets: not counted, planned, sent */
static unsigned char *seen;              /* by packet number */
static uint32_t *back, *latencies;       /* packets back, by stream; nanoseconds, by arrival */
static int64_t received, arrived, duplicates, strays, refused;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void read_targets(void) {
    char host[2][64];
    int port[2], room = 0;
    uint32_t first;
    while (scanf("%63s %d %63s %d %u", host[0], &port[0], host[1], &port[1], &first) == 5) {
        if (streams + 2 > room) {
            room = 2 * room + 64;
            targets = realloc(targets, room * sizeof *targets);
            firsts = realloc(firsts, room * sizeof *firsts);
        }
        for (int side = 0; side < 2; side++, streams++) {
            targets[streams] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port[side])};
            if (inet_pton(AF_INET, host[side], &targets[streams].sin_addr) != 1)
                exit(2);
            firsts[streams] = first;
        }
    }
}

static void flush(int side) {
    struct batch *b = &outgoing[side];
    for (int done = 0; done < b->count;) {
        int sent = sendmmsg(sockets[side], b->headers + done, b->count - done, 0);
        if (sent <= 0) {
            refused++;
            sent = 1;
        }
        done += sent;
    }
    b->count = 0;
}

/* Write packet `next` of the plan into the batch of its side. */
static void queue(int64_t time) {
    int stream = next % streams, side = stream & 1;
    uint32_t turn = firsts[stream] + next / streams;
    struct batch *b = &outgoing[side];
    unsigned char *p = b->packets[b->count];
    struct stamp stamp = {magic, next, time};
    uint16_t sequence = htons(turn);
    uint32_t timestamp = htonl(turn * (size - RTP_HEADER)), ssrc = htonl(0x10000 + stream);
    p[0] = 0x80;
    p[1] = 0;
    memcpy(p + 2, &sequence, 2);
    memcpy(p + 4, &timestamp, 4);
    memcpy(p + 8, &ssrc, 4);
    memcpy(p + RTP_HEADER, &stamp, sizeof stamp);
    b->pieces[b->count] = (struct iovec){p, size};
    b->headers[b->count].msg_hdr = (struct msghdr){.msg_name = &targets[stream], .msg_namelen = sizeof *targets,
                                                   .msg_iov = &b->pieces[b->count], .msg_iovlen = 1};
    b->count++;
    next++;
}

/* The warm-up ends when its last packet is sent; what arrives from then on is `arrived`. */
static void account(const unsigned char *packet, int length, int side, int64_t time) {
    struct stamp stamp;
    if (length != size || (memcpy(&stamp, packet + RTP_HEADER, sizeof stamp), stamp.magic != magic)
        || stamp.number >= next || (int)(stamp.number & 1) == side) {
        strays++;
        return;
    }
    if (seen[stamp.number]++) {
        duplicates++;
        return;
    }
    if (next > warm)
        arrived++;
    if (stamp.number < warm || time - stamp.sent_at > TOO_LATE)
        return;
    latencies[received++] = time - stamp.sent_at;
    back[stamp.number % streams]++;
}

/* Whether any packet came, whatever it was. */
static int receive(int side) {
    for (int i = 0; i < RECEIVE_BATCH; i++) {
        incoming.pieces[i] = (struct iovec){incoming.packets[i], LARGEST};
        incoming.headers[i].msg_hdr = (struct msghdr){.msg_iov = &incoming.pieces[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(sockets[side], incoming.headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
    int64_t time = now();
    for (int i = 0; i < count; i++)
        account(incoming.packets[i], incoming.headers[i].msg_len, side, time);
    return count > 0;
}

/* Seconds of CPU the relay has used: the clock is that of clock_getcpuclockid(3). */
static double relay_cpu(pid_t relay) {
    clockid_t clock;
    struct timespec t;
    if (!relay || clock_getcpuclockid(relay, &clock) || clock_gettime(clock, &t))
        return 0;
    return t.tv_sec + t.tv_nsec / 1e9;
}

/* Seconds a core has been idle. */
static double core_idle(int core) {
    char line[4096], name[16];
    long long idle = 0, waiting = 0;
    FILE *file = core < 0 ? NULL : fopen("/proc/stat", "r");
    if (!file)
        return 0;
    snprintf(name, sizeof name, "cpu%d ", core);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name)))
            sscanf(line + strlen(name), "%*d %*d %*d %lld %lld", &idle, &waiting);
    fclose(file);
    return (double)(idle + waiting) / sysconf(_SC_CLK_TCK);
}

/* Send and receive all; returns how late the latest packet was sent, in nanoseconds. */
static int64_t run(double interval, struct usage *usage) {
    int64_t start = now(), latest = 0, last_sent = start, last_came = start, began = start;
    double cpu_before = 0, idle_before = 0;
    int begun = 0;
    for (;;) {
        int64_t time = now();
        if (next >= total && (time - (last_came > last_sent ? last_came : last_sent) > TOO_LATE
                              || time - last_sent > GIVE_UP))
            break;
        if (!begun && next >= warm) {
            begun = 1;
            cpu_before = relay_cpu(usage->relay);
            idle_before = core_idle(usage->core);
            began = time = now();
            start = time - (int64_t)(next * interval);  /* reading that took time, which is not made up for */
        }
        for (int batch = 0; batch < SEND_BATCH && next < total; batch++) {
            int64_t late = time - start - (int64_t)(next * interval);
            if (late < 0 || (!begun && next >= warm))
                break;
            if (late > latest && begun)
                latest = late;
            queue(time);
            last_sent = time;
        }
        flush(0);
        flush(1);
        if (receive(0) | receive(1))
            last_came = time;
    }
    usage->cpu = relay_cpu(usage->relay) - cpu_before;
    usage->busy = (now() - began) / 1e9 - (core_idle(usage->core) - idle_before);
    return latest;
}

static int ascending(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile(double share) {
    return received ? latencies[(int64_t)((received - 1) * share)] / 1e3 : 0;
}

int main(int argc, char **argv) {
    if (argc != 9)
        return 2;
    sockets[0] = atoi(argv[1]);
    sockets[1] = atoi(argv[2]);
    double rate = atof(argv[3]), warm_up = atof(argv[5]), seconds = atof(argv[6]);
    struct usage usage = {0, 0, atoi(argv[7]), atoi(argv[8])};
    size = atoi(argv[4]);
    magic = 0x62656e63 ^ (uint32_t)getpid() << 8;
    read_targets();
    if (!streams || size < RTP_HEADER + (int)sizeof(struct stamp) || size > LARGEST)
        return 2;
    warm = (int64_t)ceil(warm_up * rate / streams) * streams;
    total = warm + (int64_t)ceil(seconds * rate / streams) * streams;
    seen = calloc(total, 1);
    back = calloc(streams, sizeof *back);
    latencies = calloc(total, sizeof *latencies);
    int64_t latest = run(SECOND / rate, &usage);
    qsort(latencies, received, sizeof *latencies, ascending);
    uint32_t fewest = UINT32_MAX;
    for (int stream = 0; stream < streams; stream++)
        if (back[stream] < fewest)
            fewest = back[stream];
    printf("{\"sent\": %lld, \"received\": %lld, \"arrived\": %lld, \"duplicates\": %lld, \"strays\": %lld, "
           "\"refused\": %lld, \"fewest\": %u, \"per_stream\": %lld, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"send_delay\": %.1f, \"relay_cpu\": %.6f, \"core_busy\": %.6f}\n",
           (long long)(total - warm), (long long)received, (long long)arrived, (long long)duplicates, (long long)strays,
           (long long)refused, fewest, (long long)((total - warm) / streams), percentile(0.5), percentile(0.99),
           percentile(1), latest / 1e3, usage.cpu, usage.busy);
    return 0;
}
