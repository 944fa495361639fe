/*
 * The simulator as one object: what the parts share, and one call's way through them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "check.h"
#include "faults.h"
#include "fleet.h"
#include "journal.h"
#include "request.h"

#define API_VERSION "2018-03-13"

struct sim {
	struct fleet fleet;
	struct check check;
	struct faults faults;
	struct journal journal;
	struct random random;    /* request ids */
	double throttle_per_s;   /* 0: none */
	double throttle_tokens;
	int64_t throttle_ns;     /* when the tokens were last filled up */
	int64_t latency_ns;
};

/* How the reply is to be spoilt on its way, whatever it says. */
enum delivery {
	DELIVERY_PLAIN,
	DELIVERY_RESET,
	DELIVERY_CLOSE, /* no reply at all */
	DELIVERY_CUT,
	DELIVERY_HTML,
	DELIVERY_EMPTY,
	DELIVERY_HUGE,
	DELIVERY_DEEP,
};

/* One call of the API. */
struct call {
	struct sim *sim;
	const struct request *request;
	const struct claim *claim;
	int64_t now_ns;
	int64_t wall_s;  /* the cloud's own idea of it */
	const char *region;
	struct instance *instance; /* of SmartAGId, where the action has one */
	struct journal_entry *entry;
	struct refusal refusal;
	struct answer answer;
	char root[80]; /* the answer's outermost element; must live as long as it is open */
	char request_id[40];
};

/* What the server has to send. */
struct reply {
	int http_status;
	struct answer answer;
	enum delivery delivery;
	int64_t delay_ns;
	int64_t clock_offset_s;
	char request_id[40];
};

/* What an action takes. A name that ends in ".N" is a list: .1, .2, … */
struct rule {
	const char *name;
	bool is_required;
	bool (*is_valid)(const char *value); /* NULL: any text */
};

#define ACTION_RULES 12

struct action {
	const char *name;
	struct rule rules[ACTION_RULES];
	void (*run)(struct call *call); /* writes the answer's fields, or refuses */
};

/* actions.c */
/* NULL: no such action. */
const struct action *action_find(const char *name);
/* Checks the parameters, finds region and instance, then does it. The refusal says what went wrong. */
void action_run(const struct action *action, struct call *call);

/* The device that a parameter of the call names; its index where ret_index is not NULL. NULL: refused. */
struct device *named_device(struct call *call, const char *param, unsigned int *ret_index);
enum version_kind kind_param(const struct call *call);

/* policy.c: the cloud's own upgrader */
bool is_cron(const char *text); /* six fields, as Quartz has them */
bool is_time_zone(const char *text);
void describe_policy(struct call *call);
void modify_policy(struct call *call);
/* Starts what the upgrader would do on its own. NULL, or why it would not. */
const char *auto_upgrade(struct fleet *fleet, struct instance *instance, unsigned int device, enum version_kind kind,
                         const char *version, int64_t now_ns);

/* list.c, upgrade.c: the two actions that are more than a view of one instance */
void list_instances(struct call *call);
void upgrade_device(struct call *call);

/* The serial number that the cloud shows for a device: its own, or by fault that of another. */
const char *shown_serial(struct sim *sim, const struct instance *instance, unsigned int device);
/* By serial number; instance->n_devices when there is none. */
unsigned int find_device(struct sim *sim, const struct instance *instance, const char *serial);

/* api.c: the request from check to reply. The entry is filled in and added to the journal. */
void api_serve(struct sim *sim, const struct request *request, struct journal_entry *entry, int64_t now_ns,
               int64_t wall_s, struct reply *ret_reply);

/* control.c: the same for the control plane below /_sim/. */
void control_serve(struct sim *sim, const struct request *request, int64_t now_ns, struct reply *ret_reply);

/* fleetfile.c: fleets as JSON. */
struct cJSON;
__attribute__((warn_unused_result)) int fleetfile_read(struct fleet *fleet, const char *path, char ret_error[static 256]);
void fleetfile_write(struct fleet *fleet, struct answer *answer);
/* One instance: changes it, makes it, or with "remove" takes it away. */
__attribute__((warn_unused_result)) int fleetfile_instance(struct fleet *fleet, const struct cJSON *object,
                                                   char ret_error[static 256]);
__attribute__((warn_unused_result)) int fleetfile_version(struct fleet *fleet, const struct cJSON *object,
                                                  char ret_error[static 256]);
