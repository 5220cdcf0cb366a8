/* Open-loop load: both phones of many calls, one packet at a time and evenly paced, whatever the relay does.
 *
 *     loadgen CALLER_FD CALLEE_FD PER_SECOND SIZE WARM_UP SECONDS < targets
 *
 * The two descriptors are bound IPv4 UDP sockets: all callers send and receive on the first, all callees on the
 * second, so that a few system calls serve many packets and the generator is not what limits. Each line of
 * standard input is a call: "HOST PORT HOST PORT", where its caller and where its callee send. Each phone sends
 * PER_SECOND packets of SIZE bytes a second for WARM_UP seconds, which are not counted, and SECONDS seconds.
 *
 * Prints "begin" when the warm-up is over and one line of JSON at the end. A packet that is not back at the other
 * phone within 100 ms is lost. Latency runs from just before the packet is sent until it has been read.
 * The loop spins, because a sleeping generator would make the relay pay for waking it up.
 * bench/loadgen.py does the same, slowly, where there is no compiler.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { SEND_BATCH = 8, RECEIVE_BATCH = 64, LARGEST = 1500, RTP_HEADER = 12 };
static const uint32_t MAGIC = 0x62656e63;
static const int64_t SECOND = 1000000000, TOO_LATE = 100000000;

/* What a packet carries behind its RTP header, in host byte order. */
struct stamp { uint32_t magic, number; int64_t sent_at; };

struct batch {
    int count;
    struct mmsghdr headers[RECEIVE_BATCH];
    struct iovec pieces[RECEIVE_BATCH];
    unsigned char packets[RECEIVE_BATCH][LARGEST];
};

static struct batch outgoing[2], incoming;
static int sockets[2];
static int size, streams;
static struct sockaddr_in *targets;      /* by stream; stream 2n is the caller of call n, 2n + 1 the callee */
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
    while (scanf("%63s %d %63s %d", host[0], &port[0], host[1], &port[1]) == 4) {
        if (streams + 2 > room)
            targets = realloc(targets, (room = 2 * room + 64) * sizeof *targets);
        for (int side = 0; side < 2; side++, streams++) {
            targets[streams] = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port[side])};
            if (inet_pton(AF_INET, host[side], &targets[streams].sin_addr) != 1)
                exit(2);
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
    uint32_t turn = next / streams;
    struct batch *b = &outgoing[side];
    unsigned char *p = b->packets[b->count];
    struct stamp stamp = {MAGIC, next, time};
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
    if (length != size || (memcpy(&stamp, packet + RTP_HEADER, sizeof stamp), stamp.magic != MAGIC)
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

static void receive(int side) {
    for (int i = 0; i < RECEIVE_BATCH; i++) {
        incoming.pieces[i] = (struct iovec){incoming.packets[i], LARGEST};
        incoming.headers[i].msg_hdr = (struct msghdr){.msg_iov = &incoming.pieces[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(sockets[side], incoming.headers, RECEIVE_BATCH, MSG_DONTWAIT, NULL);
    int64_t time = now();
    for (int i = 0; i < count; i++)
        account(incoming.packets[i], incoming.headers[i].msg_len, side, time);
}

/* Send and receive all; returns how late the latest packet was sent, in nanoseconds. */
static int64_t run(double interval) {
    int64_t start = now(), latest = 0, last_sent = start;
    int begun = 0;
    while (next < total || now() - last_sent < TOO_LATE) {
        int64_t time = now();
        for (int batch = 0; batch < SEND_BATCH && next < total; batch++) {
            int64_t late = time - start - (int64_t)(next * interval);
            if (late < 0)
                break;
            if (late > latest && next >= warm)
                latest = late;
            queue(time);
            last_sent = time;
        }
        flush(0);
        flush(1);
        if (!begun && next >= warm) {
            begun = 1;
            puts("begin");
            fflush(stdout);
        }
        receive(0);
        receive(1);
    }
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
    if (argc != 7)
        return 2;
    sockets[0] = atoi(argv[1]);
    sockets[1] = atoi(argv[2]);
    double per_second = atof(argv[3]), warm_up = atof(argv[5]), seconds = atof(argv[6]);
    size = atoi(argv[4]);
    read_targets();
    if (!streams || size < RTP_HEADER + (int)sizeof(struct stamp) || size > LARGEST)
        return 2;
    warm = (int64_t)(warm_up * per_second) * streams;
    total = warm + (int64_t)(seconds * per_second) * streams;
    seen = calloc(total, 1);
    back = calloc(streams, sizeof *back);
    latencies = calloc(total, sizeof *latencies);
    int64_t latest = run(SECOND / (per_second * streams));
    qsort(latencies, received, sizeof *latencies, ascending);
    uint32_t fewest = UINT32_MAX;
    for (int stream = 0; stream < streams; stream++)
        if (back[stream] < fewest)
            fewest = back[stream];
    printf("{\"sent\": %lld, \"received\": %lld, \"arrived\": %lld, \"duplicates\": %lld, \"strays\": %lld, "
           "\"refused\": %lld, \"fewest\": %u, \"per_stream\": %lld, \"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f, "
           "\"send_delay\": %.1f}\n",
           (long long)(total - warm), (long long)received, (long long)arrived, (long long)duplicates, (long long)strays,
           (long long)refused, fewest, (long long)((total - warm) / streams), percentile(0.5), percentile(0.99),
           percentile(1), latest / 1e3);
    return 0;
}
