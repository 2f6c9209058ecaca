/*
 * Plays any number of BGP peers against one router and measures it: senders that announce, receivers that count, one that
 * probes latency. One epoll thread; every UPDATE is built before the clock starts, so that the generator is never what is
 * measured. What each receiver ends up with is compared, prefix by prefix, with what was sent.
 *
 *     cc -O2 -Wall -Wextra -o peers peers.c -lm
 *
 * Sessions run over IPv4 from 10.77.ROLE.N; with --family 6 they carry IPv6 routes. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct {
  const char *router, *pids, *count;
  uint32_t asn;
  int senders, receivers, prefixes, sets, family, paths, probes, timeout, churn, rest;
  double per_update;
  bool exchange, overlap, drop, withdraw, lose;
} options = {.router = "10.77.0.1", .asn = 65000, .senders = 1, .prefixes = 100000, .sets = 5000, .family = 4,
             .paths = 1, .timeout = 300, .per_update = 6};

/* ---- small things ---- */

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "peers: ");
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n");
  exit(2);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t random32(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state >> 20;
}

static double fraction(void) { return (random32() & 0xffffff) / (double)0x1000000; }

static uint8_t *put16(uint8_t *at, uint32_t value) {
  at[0] = value >> 8, at[1] = value;
  return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value) { return put16(put16(at, value >> 16), value); }
static uint32_t get16(const uint8_t *at) { return at[0] << 8 | at[1]; }
static uint32_t get32(const uint8_t *at) { return get16(at) << 16 | get16(at + 2); }

static uint32_t mixed(uint32_t h, uint32_t word) {
  h = (h ^ word) * 0x9e3779b1u;
  return h ^ h >> 15;
}

/* ---- prefixes: an array, and a hash table from prefix to index ---- */

struct prefix {
  uint8_t address[16];
  uint8_t length;
};

static struct prefix *prefixes;
/* Those of the senders come first, then the prober's. */
static uint32_t prefix_count, probe_base;
static uint32_t *buckets, bucket_mask;
#define PROBE_PREFIXES 512

static uint32_t hash_prefix(const uint8_t *address, uint8_t length) {
  return mixed(mixed(length, get32(address)), get32(address + 4));
}

static void add_prefix(uint64_t bits, uint8_t length) {
  struct prefix *prefix = &prefixes[prefix_count];
  put32(put32(prefix->address, bits >> 32), bits);
  prefix->length = length;
  uint32_t slot = hash_prefix(prefix->address, length) & bucket_mask;
  while (buckets[slot]) slot = (slot + 1) & bucket_mask;
  buckets[slot] = ++prefix_count;
}

static uint32_t find_prefix(const uint8_t *address, uint8_t length) {
  for (uint32_t slot = hash_prefix(address, length) & bucket_mask; buckets[slot]; slot = (slot + 1) & bucket_mask) {
    struct prefix *prefix = &prefixes[buckets[slot] - 1];
    if (prefix->length == length && !memcmp(prefix->address, address, 16)) return buckets[slot] - 1;
  }
  return UINT32_MAX;
}

/* The lengths of a default-free table. IPv4 in the top 32 bits, as in the IPv6 form. */
static void build_prefixes(uint32_t wanted) {
  static const struct { uint8_t four, six; double share; } lengths[] = {
    {24, 48, .634}, {22, 44, .112}, {23, 32, .090}, {21, 40, .050}, {20, 36, .045},
    {19, 29, .032}, {18, 46, .016}, {16, 33, .013}, {17, 47, .008}};
  prefixes = calloc(wanted + PROBE_PREFIXES, sizeof *prefixes);
  for (bucket_mask = 1; bucket_mask < 2 * (wanted + PROBE_PREFIXES); bucket_mask *= 2) {}
  buckets = calloc(bucket_mask--, sizeof *buckets);
  struct { uint64_t bits; uint8_t length; } *built = calloc(wanted, sizeof *built);
  uint64_t next = options.family == 4 ? 0x01000000ull << 32 : 0x2400000000000000ull;
  for (uint32_t i = 0; i < wanted;) {
    double draw = fraction(), sum = 0;
    unsigned kind = 0;
    while (kind < 8 && (sum += lengths[kind].share) <= draw) kind++;
    uint8_t length = options.family == 4 ? lengths[kind].four : lengths[kind].six;
    uint64_t size = 1ull << (64 - length);
    next = (next + size - 1) & ~(size - 1);
    uint32_t top = next >> 56;
    if (options.family == 4 && (top == 10 || top == 127 || top == 169 || top == 172 || top == 192 || top == 198)) {
      next = (uint64_t)(top + 1) << 56;
      continue;
    }
    if (options.family == 4 && top >= 224) fail("the address space ends after %u prefixes", i);
    built[i].bits = next, built[i].length = length;
    next += size, i++;
  }
  /* Neighbours in one UPDATE have their attributes in common, not their addresses. */
  for (uint32_t i = wanted; i > 1; i--) {
    uint32_t other = ((uint64_t)random32() << 12 ^ random32()) % i;
    typeof(*built) swapped = built[i - 1];
    built[i - 1] = built[other], built[other] = swapped;
  }
  for (uint32_t i = 0; i < wanted; i++) add_prefix(built[i].bits, built[i].length);
  free(built);
  probe_base = prefix_count;
  for (uint32_t i = 0; i < PROBE_PREFIXES; i++) {
    uint64_t bits = options.family == 4 ? (0xc6120000ull + (i << 8)) << 32 : 0x20010db8ull << 32 | i << 16;
    add_prefix(bits, options.family == 4 ? 24 : 48);
  }
}

static int address_octets(void) { return options.family == 4 ? 4 : 16; }

static uint8_t *put_nlri(uint8_t *at, uint32_t prefix, uint32_t path) {
  if (options.paths > 1) at = put32(at, path + 1);
  *at++ = prefixes[prefix].length;
  int octets = (prefixes[prefix].length + 7) / 8;
  memcpy(at, prefixes[prefix].address, octets);
  return at + octets;
}

/* ---- attribute sets ---- */

struct set {
  /* Everything but MP_REACH_NLRI; for IPv4 with NEXT_HOP. */
  uint8_t bytes[160];
  int length, path_length, origin;
  uint32_t hash;
};

/* Of what a router must pass on unchanged: ORIGIN, AS_PATH behind the AS `skip`, communities in any order. */
static uint32_t hash_attributes(const uint8_t *at, const uint8_t *end, uint32_t skip) {
  uint32_t hash = 1;
  while (at < end) {
    bool extended = at[0] & 0x10;
    uint8_t type = at[1];
    uint32_t length = extended ? get16(at + 2) : at[2];
    const uint8_t *value = at + (extended ? 4 : 3);
    at = value + length;
    if (type == 1) hash += mixed(1, value[0]);
    if (type == 2) {
      uint32_t path = 2;
      for (const uint8_t *segment = value; segment < at; segment += 2 + 4 * segment[1])
        for (int i = 0; i < segment[1]; i++) {
          uint32_t asn = get32(segment + 2 + 4 * i);
          if (segment != value || i > 0 || asn != skip) path = mixed(path, asn);
        }
      hash += path;
    }
    if (type == 8) for (uint32_t i = 0; i < length; i += 4) hash += mixed(8, get32(value + i));
    if (type == 32)
      for (uint32_t i = 0; i < length; i += 12)
        hash += mixed(mixed(mixed(32, get32(value + i)), get32(value + i + 4)), get32(value + i + 8));
  }
  return hash ? hash : 1;
}

static void build_set(struct set *set, uint32_t number, uint32_t asn, uint32_t address) {
  uint64_t kept = state;
  state = 0x9e3779b97f4a7c15ull * (number + 1) + asn;
  for (int i = 0; i < 4; i++) random32();
  uint8_t *at = set->bytes;
  set->origin = random32() % 20 ? 0 : 2;
  set->path_length = 3 + random32() % 4;
  at[0] = 0x40, at[1] = 1, at[2] = 1, at[3] = set->origin, at += 4;
  at[0] = 0x40, at[1] = 2, at[2] = 2 + 4 * set->path_length, at[3] = 2, at[4] = set->path_length;
  at = put32(at + 5, asn);
  for (int i = 1; i < set->path_length; i++) at = put32(at, random32() % 3 ? 1000 + random32() % 60000 : 131072 + random32() % 200000);
  if (options.family == 4) {
    at[0] = 0x40, at[1] = 3, at[2] = 4;
    at = put32(at + 3, address);
  }
  if (random32() % 5 == 0) {
    at[0] = 0x80, at[1] = 4, at[2] = 4;
    at = put32(at + 3, random32() % 1000);
  }
  int communities = random32() % 7;
  if (communities > 0) {
    at[0] = 0xc0, at[1] = 8, at[2] = 4 * communities, at += 3;
    uint32_t high = 1000 + random32() % 60000, low = random32() % 1000;
    for (int i = 0; i < communities; i++, low += 1 + random32() % 50) at = put16(put16(at, high), low);
  }
  if (random32() % 10 == 0) {
    at[0] = 0xc0, at[1] = 32, at[2] = 12;
    at = put32(put32(put32(at + 3, 200000 + random32() % 1000), random32() % 100), number);
  }
  set->length = at - set->bytes;
  set->hash = hash_attributes(set->bytes, at, 0);
  state = kept;
}

/* ---- peers ---- */

enum role { sender = 1, receiver = 2, prober = 3 };
enum step { closed, connecting, open_sent, open_confirm, established };

struct peer {
  enum role role;
  enum step step;
  int socket, watched;
  uint32_t address, asn;
  /* Of a sender: its prefixes, its sets, and by prefix (from `first`) and path the set that it was sent with, −1: none. */
  uint32_t first, last;
  struct set *sets;
  int32_t *sent;
  uint8_t *bulk;
  size_t bulk_length, bulk_done;
  uint8_t control[8192];
  size_t control_length;
  uint8_t *in;
  size_t in_length;
  /* By prefix and path: hash of the attributes received, 0: none; and the path identifier. */
  uint32_t *table, *identifiers;
  uint32_t have, want;
  uint64_t updates, routes, withdrawals;
  double established_at, done_at, first_at, last_sent, last_update, retry_at;
};

static struct peer *peers;
static int peer_count, poller;
#define IN_CAPACITY (1 << 20)

static double probe_seen[PROBE_PREFIXES], probe_gone[PROBE_PREFIXES];

static uint8_t *header(uint8_t *at, int type) {
  memset(at, 0xff, 16);
  at[18] = type;
  return at + 19;
}

static void watch(struct peer *peer) {
  bool writes = peer->control_length > 0 || peer->bulk_done < peer->bulk_length || peer->step == connecting;
  int wanted = EPOLLIN | (writes ? EPOLLOUT : 0);
  if (peer->socket < 0 || wanted == peer->watched) return;
  struct epoll_event event = {.events = wanted, .data.ptr = peer};
  epoll_ctl(poller, peer->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, peer->socket, &event);
  peer->watched = wanted;
}

static void hang_up(struct peer *peer, const char *why) {
  if (peer->socket >= 0) close(peer->socket);
  if (peer->step == established) fprintf(stderr, "peers: peer of role %d lost: %s\n", peer->role, why);
  peer->socket = -1, peer->watched = 0, peer->step = closed, peer->control_length = 0, peer->in_length = 0;
}

static void dial(struct peer *peer) {
  peer->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  int one = 1;
  setsockopt(peer->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(peer->address)};
  if (bind(peer->socket, (void *)&from, sizeof from)) fail("bind: %s", strerror(errno));
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(179)};
  inet_pton(AF_INET, options.router, &to.sin_addr);
  peer->step = connecting;
  if (connect(peer->socket, (void *)&to, sizeof to) && errno != EINPROGRESS) return hang_up(peer, "connect");
  watch(peer);
}

static void flush(struct peer *peer) {
  /* Control messages go between bulk messages, which means before and after all of them. */
  bool between = peer->bulk_done == 0 || peer->bulk_done == peer->bulk_length;
  while (peer->socket >= 0 && peer->control_length > 0 && between) {
    ssize_t written = send(peer->socket, peer->control, peer->control_length, MSG_NOSIGNAL);
    if (written <= 0 && errno == EAGAIN) break;
    if (written <= 0) return hang_up(peer, strerror(errno));
    memmove(peer->control, peer->control + written, peer->control_length -= written);
    peer->last_sent = seconds();
  }
  while (peer->socket >= 0 && peer->bulk_done < peer->bulk_length) {
    ssize_t written = send(peer->socket, peer->bulk + peer->bulk_done, peer->bulk_length - peer->bulk_done, MSG_NOSIGNAL);
    if (written <= 0 && errno == EAGAIN) break;
    if (written <= 0) return hang_up(peer, strerror(errno));
    peer->bulk_done += written;
    peer->last_sent = seconds();
  }
  watch(peer);
}

static void say(struct peer *peer, const uint8_t *bytes, size_t length) {
  if (peer->control_length + length > sizeof peer->control) fail("too much to say at once");
  memcpy(peer->control + peer->control_length, bytes, length);
  peer->control_length += length;
  flush(peer);
}

static void say_open(struct peer *peer) {
  uint8_t message[80], *at = header(message, 1);
  at[0] = 4;
  at = put32(put16(put16(at + 1, peer->asn), 180), peer->address);
  uint8_t *parameters = at;
  at += 3;
  *at++ = 1, *at++ = 4, at = put16(at, options.family == 4 ? 1 : 2), *at++ = 0, *at++ = 1;
  *at++ = 65, *at++ = 4, at = put32(at, peer->asn);
  /* RFC 7911: both ways. */
  if (options.paths > 1) *at++ = 69, *at++ = 4, at = put16(at, options.family == 4 ? 1 : 2), *at++ = 1, *at++ = 3;
  parameters[0] = at - parameters - 1, parameters[1] = 2, parameters[2] = at - parameters - 3;
  put16(message + 16, at - message);
  peer->step = open_sent;
  say(peer, message, at - message);
}

static void say_keepalive(struct peer *peer) {
  uint8_t message[19];
  header(message, 4);
  put16(message + 16, sizeof message);
  say(peer, message, sizeof message);
}

/* ---- what receivers make of UPDATEs ---- */

static void take_route(struct peer *peer, uint32_t prefix, uint32_t identifier, uint32_t hash, double now) {
  if (prefix >= probe_base) {
    double *seen = hash ? probe_seen : probe_gone;
    if (peer->role == receiver && seen[prefix - probe_base] == 0) seen[prefix - probe_base] = now;
    return;
  }
  if (peer->table == NULL || (!options.overlap && prefix >= peer->first && prefix < peer->last)) return;
  uint32_t *cells = peer->table + (size_t)prefix * options.paths, *names = peer->identifiers + (size_t)prefix * options.paths;
  int cell = 0;
  if (options.paths > 1) {
    while (cell < options.paths && (cells[cell] == 0 || names[cell] != identifier)) cell++;
    if (cell == options.paths)
      for (cell = 0; cell < options.paths && cells[cell] != 0; cell++) {}
    if (cell == options.paths) fail("more than %d paths for a prefix", options.paths);
    names[cell] = identifier;
  }
  if (hash && cells[cell] == 0) peer->have++;
  if (!hash && cells[cell] != 0) peer->have--;
  cells[cell] = hash;
  if (hash && peer->first_at == 0) peer->first_at = now;
  if (peer->have == (hash ? peer->want : 0) && peer->done_at == 0) peer->done_at = now;
}

static void take_nlri(struct peer *peer, const uint8_t *at, const uint8_t *end, uint32_t hash, double now) {
  while (at < end) {
    uint32_t identifier = 0;
    if (options.paths > 1) identifier = get32(at), at += 4;
    uint8_t length = *at++, address[16] = {0};
    int octets = (length + 7) / 8;
    if (octets > address_octets() || at + octets > end) fail("malformed NLRI from the router");
    memcpy(address, at, octets);
    at += octets;
    *(hash ? &peer->routes : &peer->withdrawals) += 1;
    uint32_t prefix = find_prefix(address, length);
    if (prefix != UINT32_MAX) take_route(peer, prefix, identifier, hash, now);
  }
}

static void take_update(struct peer *peer, const uint8_t *at, const uint8_t *end, double now) {
  peer->updates++, peer->last_update = now;
  uint32_t withdrawn = get16(at);
  take_nlri(peer, at + 2, at + 2 + withdrawn, 0, now);
  const uint8_t *attributes = at + 4 + withdrawn, *nlri = attributes + get16(at + 2 + withdrawn);
  uint32_t hash = hash_attributes(attributes, nlri, options.asn);
  for (const uint8_t *attribute = attributes; options.family == 6 && attribute < nlri;) {
    bool extended = attribute[0] & 0x10;
    uint32_t length = extended ? get16(attribute + 2) : attribute[2];
    const uint8_t *value = attribute + (extended ? 4 : 3);
    if (attribute[1] == 14) take_nlri(peer, value + 5 + value[3], value + length, hash, now);
    if (attribute[1] == 15) take_nlri(peer, value + 3, value + length, 0, now);
    attribute = value + length;
  }
  take_nlri(peer, nlri, end, hash, now);
}

static void take_message(struct peer *peer, const uint8_t *message, uint32_t length, double now) {
  switch (message[18]) {
  case 1:
    say_keepalive(peer);
    if (peer->step == open_sent) peer->step = open_confirm;
    return;
  case 2: return take_update(peer, message + 19, message + length, now);
  case 3:
    fprintf(stderr, "peers: NOTIFICATION %d/%d to a peer of role %d\n", message[19], message[20], peer->role);
    return;
  case 4:
    if (peer->step == open_confirm) peer->step = established, peer->established_at = now;
  }
}

static void take_bytes(struct peer *peer) {
  for (int i = 0; i < 4; i++) {
    ssize_t got = recv(peer->socket, peer->in + peer->in_length, IN_CAPACITY - peer->in_length, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return hang_up(peer, got == 0 ? "end of stream" : strerror(errno));
    double now = seconds();
    peer->in_length += got;
    size_t at = 0;
    while (peer->in_length - at >= 19 && peer->in_length - at >= get16(peer->in + at + 16)) {
      uint32_t length = get16(peer->in + at + 16);
      take_message(peer, peer->in + at, length, now);
      if (peer->socket < 0) return;
      at += length;
    }
    memmove(peer->in, peer->in + at, peer->in_length -= at);
    if (got < 65536) return;
  }
}

static void turn(int wait_ms) {
  struct epoll_event events[256];
  int count = epoll_wait(poller, events, 256, wait_ms);
  for (int i = 0; i < count; i++) {
    struct peer *peer = events[i].data.ptr;
    if (peer->socket < 0) continue;
    if (peer->step == connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(peer->socket, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error || events[i].events & EPOLLERR) hang_up(peer, "connect");
      else if (events[i].events & EPOLLOUT) say_open(peer);
      continue;
    }
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take_bytes(peer);
    if (peer->socket >= 0 && events[i].events & EPOLLOUT) flush(peer);
  }
  static double checked;
  double now = seconds();
  if (now - checked < 1) return;
  checked = now;
  for (int i = 0; i < peer_count; i++) {
    struct peer *peer = &peers[i];
    if (peer->step == established && now - peer->last_sent > 45 && peer->bulk_done == peer->bulk_length) say_keepalive(peer);
  }
}

static void idle(double duration) {
  for (double until = seconds() + duration; seconds() < until;) turn(5);
}

/* Paced by 2 ms and tried again after 1.5 s: routers with a short listen queue lose the rest. */
static void connect_role(enum role role, bool paced) {
  double begun = seconds(), next = begun;
  for (;;) {
    int up = 0, all = 0;
    double now = seconds();
    for (int i = 0; i < peer_count; i++) {
      struct peer *peer = &peers[i];
      if (peer->role != role) continue;
      all++;
      if (peer->step == established) up++;
      else if (now >= peer->retry_at && now >= next) {
        if (peer->socket >= 0) hang_up(peer, "no answer");
        dial(peer);
        peer->retry_at = now + 1.5;
        if (paced) next = now + .002;
      }
    }
    if (up == all) return;
    if (now - begun > 60) {
      printf("{\"ok\":false,\"error\":\"%d of %d peers of role %d came up\"}\n", up, all, role);
      exit(1);
    }
    turn(1);
  }
}

/* ---- what senders send ---- */

/* Adds an UPDATE with these prefixes of one set; `at` has room for 4096 octets. */
static uint8_t *put_update(uint8_t *at, struct peer *peer, const struct set *set, const uint32_t *ids, int count, uint32_t path) {
  uint8_t *message = at, *lengths = header(message, 2);
  at = lengths + 4;
  if (options.family == 6) {
    /* RFC 7606 §5.1: MP_REACH_NLRI comes first. */
    uint8_t *reach = at;
    reach[0] = 0x90, reach[1] = 14;
    put16(reach + 4, 2), reach[6] = 1, reach[7] = 16;
    memset(reach + 8, 0, 16);
    put32(put32(reach + 8, 0x20010db8), 0x77), put32(reach + 20, peer->address), reach[24] = 0;
    at = reach + 25;
    for (int i = 0; i < count; i++) at = put_nlri(at, ids[i], path);
    put16(reach + 2, at - reach - 4);
  }
  memcpy(at, set->bytes, set->length);
  at += set->length;
  put16(lengths, 0), put16(lengths + 2, at - lengths - 4);
  if (options.family == 4) for (int i = 0; i < count; i++) at = put_nlri(at, ids[i], path);
  put16(message + 16, at - message);
  return at;
}

static uint8_t *put_withdrawals(uint8_t *at, const uint32_t *ids, int count, uint32_t path) {
  uint8_t *message = at, *body = header(message, 2);
  at = body + 2;
  uint8_t *unreach = body + 4;
  if (options.family == 6) unreach[0] = 0x90, unreach[1] = 15, put16(unreach + 4, 2), unreach[6] = 1, at = unreach + 7;
  for (int i = 0; i < count; i++) at = put_nlri(at, ids[i], path);
  if (options.family == 6) {
    put16(body, 0), put16(body + 2, at - unreach), put16(unreach + 2, at - unreach - 4);
  } else {
    put16(body, at - body - 2);
    at = put16(at, 0);
  }
  put16(message + 16, at - message);
  return at;
}

static void set_bulk(struct peer *peer, uint8_t *bytes, size_t length) {
  free(peer->bulk);
  peer->bulk = bytes, peer->bulk_length = length, peer->bulk_done = 0;
}

static int group_size(uint32_t left) {
  uint32_t size = options.per_update <= 1 ? 1 : 1 + (uint32_t)(log(1 - fraction()) / log(1 - 1 / options.per_update));
  if (size > 150) size = 150;
  return size < left ? size : left;
}

/* Announces the prefixes in `ids`, groups of them with a set drawn for each group and path. */
static uint8_t *put_announcements(uint8_t *at, struct peer *peer, const uint32_t *ids, uint32_t count) {
  for (uint32_t i = 0; i < count;) {
    int size = group_size(count - i);
    for (int path = 0; path < options.paths; path++) {
      int number = random32() % options.sets;
      for (int j = 0; j < size; j++) peer->sent[(size_t)(ids[i + j] - peer->first) * options.paths + path] = number;
      at = put_update(at, peer, &peer->sets[number], ids + i, size, path);
    }
    i += size;
  }
  return at;
}

static uint8_t *put_end_of_rib(uint8_t *at) {
  uint8_t *message = at, *body = header(message, 2);
  at = put16(put16(body, 0), 0);
  if (options.family == 6) {
    put16(body + 2, 7);
    at[0] = 0x90, at[1] = 15, at = put16(at + 2, 3), at = put16(at, 2), *at++ = 1;
    put16(body + 2, at - body - 4);
  }
  put16(message + 16, at - message);
  return at;
}

static size_t bulk_capacity(uint32_t count) { return (size_t)count * options.paths * 230 / (options.per_update > 2 ? 2 : 1) + 65536; }

static uint32_t *all_ids(const struct peer *peer) {
  uint32_t *ids = calloc(peer->last - peer->first, sizeof *ids);
  for (uint32_t i = peer->first; i < peer->last; i++) ids[i - peer->first] = i;
  return ids;
}

static void build_sender(struct peer *peer) {
  uint32_t count = peer->last - peer->first, *ids = all_ids(peer);
  peer->sets = calloc(options.sets, sizeof *peer->sets);
  for (int i = 0; i < options.sets; i++) build_set(&peer->sets[i], i, peer->asn, peer->address);
  peer->sent = malloc((size_t)count * options.paths * sizeof *peer->sent);
  uint8_t *bytes = malloc(bulk_capacity(count));
  uint8_t *end = put_end_of_rib(put_announcements(bytes, peer, ids, count));
  bytes = realloc(bytes, end - bytes);
  free(ids);
  /* Kept aside until the clock starts. */
  peer->bulk = bytes, peer->bulk_length = end - bytes, peer->bulk_done = peer->bulk_length;
}

/* The whole table of the sender, withdrawn. */
static void withdraw_all(struct peer *peer) {
  uint32_t count = peer->last - peer->first, *ids = all_ids(peer);
  uint8_t *bytes = malloc(bulk_capacity(count)), *at = bytes;
  for (uint32_t i = 0; i < count; i += 150)
    for (int path = 0; path < options.paths; path++) at = put_withdrawals(at, ids + i, count - i < 150 ? count - i : 150, path);
  free(ids);
  set_bulk(peer, bytes, at - bytes);
}

/* One round of churn: a tenth of the table is withdrawn, what was withdrawn last comes back, another tenth changes. */
static void churn_round(struct peer *peer, int round) {
  uint32_t count = peer->last - peer->first, tenth = count / 10;
  uint32_t *ids = all_ids(peer);
  uint8_t *bytes = malloc(bulk_capacity(count)), *at = bytes;
  uint32_t gone = (round % 10) * tenth, back = ((round + 9) % 10) * tenth, changed = ((round + 5) % 10) * tenth;
  for (uint32_t i = gone; i < gone + tenth; i += 150)
    for (int path = 0; path < options.paths; path++)
      at = put_withdrawals(at, ids + i, gone + tenth - i < 150 ? gone + tenth - i : 150, path);
  for (uint32_t i = gone * options.paths; i < (gone + tenth) * options.paths; i++) peer->sent[i] = -1;
  if (round > 0) at = put_announcements(at, peer, ids + back, tenth);
  at = put_announcements(at, peer, ids + changed, tenth);
  free(ids);
  set_bulk(peer, bytes, at - bytes);
}

/* ---- what receivers should have ---- */

/* RFC 4271 §9.1.2.2 among the senders that announce the prefix: path length, origin, lowest identifier. */
static const struct set *best_set(uint32_t prefix) {
  const struct set *best = NULL;
  for (int i = 0; i < peer_count; i++) {
    const struct peer *peer = &peers[i];
    if (peer->role != sender || peer->step != established || prefix < peer->first || prefix >= peer->last) continue;
    int32_t number = peer->sent[prefix - peer->first];
    if (number < 0) continue;
    const struct set *set = &peer->sets[number];
    if (best == NULL || set->path_length < best->path_length ||
        (set->path_length == best->path_length && set->origin < best->origin)) best = set;
  }
  return best;
}

static const struct peer *owner_of(uint32_t prefix) {
  for (int i = 0; i < peer_count; i++)
    if (peers[i].role == sender && prefix >= peers[i].first && prefix < peers[i].last) return &peers[i];
  return NULL;
}

/* Whether the cells hold exactly the hashes of what was sent, in any order. */
static bool right(const struct peer *peer, uint32_t prefix) {
  const uint32_t *cells = peer->table + (size_t)prefix * options.paths;
  if (options.paths == 1) {
    const struct set *best = best_set(prefix);
    return cells[0] == (best ? best->hash : 0);
  }
  const struct peer *owner = owner_of(prefix);
  uint32_t sum = 0, expected = 0;
  for (int path = 0; path < options.paths; path++) {
    int32_t number = owner->sent[(size_t)(prefix - owner->first) * options.paths + path];
    if (number >= 0) expected += mixed(7, owner->sets[number].hash);
    if (cells[path]) sum += mixed(7, cells[path]);
  }
  return sum == expected;
}

static uint32_t wrong_routes(void) {
  uint32_t wrong = 0;
  for (int i = 0; i < peer_count; i++) {
    const struct peer *peer = &peers[i];
    if (peer->table == NULL) continue;
    for (uint32_t prefix = 0; prefix < probe_base; prefix++) {
      bool own = peer->role == sender && prefix >= peer->first && prefix < peer->last;
      if (!own && !right(peer, prefix)) wrong++;
    }
  }
  return wrong;
}

/* ---- the router's processor time and memory ---- */

static int pids[64], pid_count;

static double cpu_of(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  text[fread(text, 1, sizeof text - 1, file)] = 0;
  fclose(file);
  unsigned long user = 0, system = 0;
  sscanf(strrchr(text, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double cpu(void) {
  double sum = 0;
  for (int i = 0; i < pid_count; i++) sum += cpu_of(pids[i]);
  return sum;
}

static long memory(const char *key) {
  long sum = 0;
  for (int i = 0; i < pid_count; i++) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pids[i]);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
      if (!strncmp(line, key, strlen(key))) sum += atol(line + strlen(key) + 1);
    if (file) fclose(file);
  }
  return sum;
}

static long counted(void) {
  FILE *pipe = popen(options.count, "r");
  long count = -1;
  if (pipe && fscanf(pipe, "%ld", &count) != 1) count = -1;
  if (pipe) pclose(pipe);
  return count;
}

/* ---- the run ---- */

static bool ok = true;

static bool settled(bool empty) {
  for (int i = 0; i < peer_count; i++) {
    struct peer *peer = &peers[i];
    if (peer->bulk_done < peer->bulk_length) return false;
    if (peer->table && (empty ? peer->role == receiver && peer->have > 0 : peer->have != peer->want)) return false;
    if (!empty && peer->step != established) ok = false;
  }
  return true;
}

/* Until all receivers have all, or nothing; the time at which the last of them did. */
static double converge(bool empty) {
  double begun = seconds();
  while (ok && !settled(empty)) {
    turn(10);
    if (seconds() - begun > options.timeout) ok = false;
  }
  double last = 0;
  for (int i = 0; i < peer_count; i++) if (peers[i].table && peers[i].done_at > last) last = peers[i].done_at;
  while (ok && options.count && !empty) {
    long count = counted();
    last = seconds();
    if (count >= (long)options.prefixes * (options.overlap ? 1 : options.senders)) break;
    if (last - begun > options.timeout) ok = false;
    idle(.03);
  }
  if (!ok) fprintf(stderr, "peers: not done after %.1f s\n", seconds() - begun);
  return last ? last : seconds();
}

static int ascending(const void *a, const void *b) { return *(double *)a < *(double *)b ? -1 : 1; }

static double percentile(double *values, int count, double p) {
  qsort(values, count, sizeof *values, ascending);
  return count == 0 ? -1 : 1000 * values[(int)ceil(p * count) - 1];
}

static void probe(struct peer *peer) {
  double announce[4096], withdraw[4096];
  int done = 0;
  struct set set;
  build_set(&set, 0, peer->asn, peer->address);
  for (; done < options.probes && ok; done++) {
    uint32_t index = done % PROBE_PREFIXES, prefix = probe_base + index;
    uint8_t message[4096];
    for (int gone = 0; gone < 2 && ok; gone++) {
      uint8_t *end = gone ? put_withdrawals(message, &prefix, 1, 0) : put_update(message, peer, &set, &prefix, 1, 0);
      double *seen = gone ? &probe_gone[index] : &probe_seen[index], begun = seconds();
      *seen = 0;
      say(peer, message, end - message);
      while (*seen == 0 && seconds() - begun < 10) turn(100);
      if (*seen == 0) ok = false;
      (gone ? withdraw : announce)[done] = *seen - begun;
      idle(.005 + .01 * fraction());
    }
  }
  printf(",\"announce_p50_ms\":%.3f,\"announce_p99_ms\":%.3f", percentile(announce, done, .5), percentile(announce, done, .99));
  printf(",\"withdraw_p50_ms\":%.3f,\"withdraw_p99_ms\":%.3f", percentile(withdraw, done, .5), percentile(withdraw, done, .99));
}

static void drop(void) {
  double cpu_before = cpu(), begun = seconds();
  for (int i = 0; i < peer_count; i++) {
    peers[i].done_at = 0;
    if (peers[i].role != sender) continue;
    if (options.withdraw) withdraw_all(&peers[i]), flush(&peers[i]);
    else peers[i].step = closed, hang_up(&peers[i], "dropped"), peers[i].bulk_length = peers[i].bulk_done = 0, peers[i].table = NULL;
  }
  printf(",\"drop_s\":%.3f", converge(true) - begun);
  idle(.8);
  printf(",\"drop_cpu_s\":%.2f", cpu() - cpu_before);
  if (!options.rest) return;
  idle(options.rest);
  printf(",\"rest_rss_kb\":%ld", memory("VmRSS:"));
}

/* Until nothing has come for so long; the time at which the last UPDATE came, or `begun`. */
static double quiet(double begun, double pause) {
  double last = begun;
  while (seconds() - last < pause && seconds() - begun < options.timeout) {
    turn(10);
    for (int i = 0; i < peer_count; i++) if (peers[i].last_update > last) last = peers[i].last_update;
  }
  return last;
}

/* One sender goes; the others have other paths to the same prefixes. Over when nothing has come for three seconds. */
static void lose(void) {
  double cpu_before = cpu(), begun = seconds();
  peers[0].step = closed, hang_up(&peers[0], "lost"), peers[0].table = NULL;
  double last = quiet(begun, 3);
  printf(",\"lose_s\":%.3f,\"lose_cpu_s\":%.2f,\"wrong_after_loss\":%u", last - begun, cpu() - cpu_before, wrong_routes());
}

static void churn(void) {
  double cpu_before = cpu(), begun = seconds(), longest = 0;
  long before = memory("VmRSS:");
  int round = 0;
  for (; seconds() - begun < options.churn && ok; round++) {
    double started = seconds();
    uint32_t away = 0;
    for (int i = 0; i < peer_count; i++) {
      if (peers[i].role == sender) churn_round(&peers[i], round), away += (peers[i].last - peers[i].first) / 10;
      peers[i].done_at = 0;
    }
    for (int i = 0; i < peer_count; i++) if (peers[i].role == receiver) peers[i].want = (probe_base - away) * options.paths;
    started = seconds();
    for (int i = 0; i < peer_count; i++) if (peers[i].role == sender) flush(&peers[i]);
    converge(false);
    /* Changes of attributes show in no count: give them the time that the others took. */
    idle(.5);
    if (seconds() - started > longest) longest = seconds() - started;
    idle(fmax(0, begun + 3 * (round + 1) - seconds()));
  }
  printf(",\"churn_rounds\":%d,\"churn_cpu_s\":%.2f,\"churn_longest_s\":%.2f", round, cpu() - cpu_before, longest);
  printf(",\"churn_rss_before_kb\":%ld,\"churn_rss_after_kb\":%ld", before, memory("VmRSS:"));
}

static void make_peers(void) {
  uint32_t total = options.prefixes * (options.overlap ? 1 : options.senders);
  build_prefixes(total);
  peer_count = options.senders + options.receivers + (options.probes > 0);
  peers = calloc(peer_count, sizeof *peers);
  for (int i = 0; i < peer_count; i++) {
    struct peer *peer = &peers[i];
    peer->role = i < options.senders ? sender : i < options.senders + options.receivers ? receiver : prober;
    int number = peer->role == sender ? i : peer->role == receiver ? i - options.senders : 0;
    peer->address = 0x0a4d0000u + (peer->role << 8) + number + 1;
    peer->asn = 64300 + 200 * peer->role + number;
    peer->socket = -1;
    peer->in = malloc(IN_CAPACITY);
    if (peer->role == sender) {
      peer->first = options.overlap ? 0 : number * options.prefixes;
      peer->last = peer->first + options.prefixes;
      build_sender(peer);
    }
    if (peer->role == prober || (peer->role == sender && !options.exchange)) continue;
    peer->want = (total - (peer->role == sender ? options.prefixes : 0)) * options.paths;
    peer->table = calloc((size_t)total * options.paths, sizeof *peer->table);
    peer->identifiers = options.paths > 1 ? calloc((size_t)total * options.paths, sizeof *peer->identifiers) : peer->table;
  }
}

static void parse(int count, char **arguments) {
  static const struct option known[] = {
    {"router", 1, 0, 'd'}, {"asn", 1, 0, 'a'}, {"senders", 1, 0, 's'}, {"receivers", 1, 0, 'r'}, {"prefixes", 1, 0, 'n'},
    {"sets", 1, 0, 'k'}, {"per-update", 1, 0, 'g'}, {"family", 1, 0, 'f'}, {"paths", 1, 0, 'p'}, {"probes", 1, 0, 'i'},
    {"exchange", 0, 0, 'x'}, {"overlap", 0, 0, 'o'}, {"drop", 0, 0, 'D'}, {"lose", 0, 0, 'L'}, {"withdraw", 0, 0, 'W'}, {"churn", 1, 0, 'c'}, {"rest", 1, 0, 'R'},
    {"pids", 1, 0, 'P'}, {"count", 1, 0, 'C'}, {"timeout", 1, 0, 't'}, {0, 0, 0, 0}};
  for (int option; (option = getopt_long(count, arguments, "", known, NULL)) != -1;) switch (option) {
    case 'd': options.router = optarg; break;
    case 'a': options.asn = atoi(optarg); break;
    case 's': options.senders = atoi(optarg); break;
    case 'r': options.receivers = atoi(optarg); break;
    case 'n': options.prefixes = atoi(optarg); break;
    case 'k': options.sets = atoi(optarg); break;
    case 'g': options.per_update = atof(optarg); break;
    case 'f': options.family = atoi(optarg); break;
    case 'p': options.paths = atoi(optarg); break;
    case 'i': options.probes = atoi(optarg); break;
    case 'x': options.exchange = true; break;
    case 'o': options.overlap = true; break;
    case 'D': options.drop = true; break;
    case 'L': options.lose = true; break;
    case 'W': options.drop = options.withdraw = true; break;
    case 'c': options.churn = atoi(optarg); break;
    case 'R': options.rest = atoi(optarg); break;
    case 'P': options.pids = optarg; break;
    case 'C': options.count = optarg; break;
    case 't': options.timeout = atoi(optarg); break;
    default: fail("see peers.c for the options");
  }
}

int main(int count, char **arguments) {
  parse(count, arguments);
  char *list = strdup(options.pids ? options.pids : "");
  for (char *pid = strtok(list, ","); pid && pid_count < 64; pid = strtok(NULL, ",")) pids[pid_count++] = atoi(pid);
  poller = epoll_create1(0);
  make_peers();
  connect_role(receiver, true);
  connect_role(prober, true);
  idle(1);
  long rss_before = memory("VmRSS:");
  double cpu_before = cpu(), storm = seconds();
  connect_role(sender, options.senders < 2 || getenv("PACED") != NULL);
  double begun = seconds();
  storm = begun - storm;
  for (int i = 0; i < peer_count; i++) if (peers[i].role == sender) peers[i].bulk_done = 0, flush(&peers[i]);
  double end = options.prefixes > 0 ? converge(false) : begun;
  /* Of several paths to a prefix the receivers count the first: what is better may still come. */
  if (options.overlap) end = quiet(end, 3);
  double cpu_done = cpu() - cpu_before;
  uint64_t updates = 0, routes = 0;
  for (int i = 0; i < peer_count; i++) updates += peers[i].updates, routes += peers[i].routes;
  idle(.8);
  printf("{\"wall_s\":%.3f,\"cpu_s\":%.2f,\"cpu_settled_s\":%.2f,\"connect_s\":%.3f", end - begun, cpu_done, cpu() - cpu_before, storm);
  printf(",\"rss_before_kb\":%ld,\"rss_kb\":%ld,\"peak_kb\":%ld", rss_before, memory("VmRSS:"), memory("VmHWM:"));
  printf(",\"routes\":%lu,\"updates\":%lu", routes, updates);
  if (ok && options.probes) probe(&peers[peer_count - 1]);
  if (ok && options.churn) churn();
  printf(",\"wrong\":%u", ok ? wrong_routes() : 0);
  if (ok && options.lose) lose();
  if (ok && options.drop) drop();
  printf(",\"end_rss_kb\":%ld,\"ok\":%s}\n", memory("VmRSS:"), ok ? "true" : "false");
  return ok ? 0 : 1;
}
