/*
 * A real control socket, driven by this program's own wait. The clock of deadlines is ours, and so is the core: a fleet
 * of any size in a few lines.
 */
#pragma once

#include "control/control.h"

#define PATIENCE_S 60 /* a test that waits longer has failed; valgrind needs it */
#define PAUSE "{\"act\":\"pause\",\"all\":true,\"why\":\"because\"}"

/* ---- the core: `n_targets` targets, two for each instance ---- */
extern uint32_t n_targets, n_rollouts, n_approvals, in_flight;
extern bool is_paused;
extern int holds; /* of the table, now */
extern int slow_us; /* how long a look takes */

/* ---- the world ---- */
extern struct control *control;
extern char folder[64], path[96];
extern int64_t now_ns;
extern struct act taken; /* the last act: only what outlives the call is looked at later */
extern char taken_who[64], taken_why[64];
extern uint64_t taken_request;
extern unsigned int n_taken;
extern enum act_outcome outcome_at_once; /* of each act, before take_act() returns; ACT_OUTCOME_N: not at once */

double now_s(void);
double cpu_s(void);
int setup(void **state);
int teardown(void **state);
void turn(int fd, short events); /* of the loop: waits for the server, or for `fd` (-1: none) */
int dial(void);
void send_all(int fd, const char *data, size_t size);
void send_text(int fd, const char *text);
const char *receive(int fd); /* up to the end of the connection, or of one answer with a Content-Length; "" when nothing came */
void request(int fd, const char *method, const char *url, const char *body);
void expect(const char *answer, const char *status, const char *part);
const char *ask(const char *method, const char *url, const char *body); /* once, on a connection of its own */
int begin_act(void); /* sends one, and waits until it was taken */
bool is_silent(int fd);
