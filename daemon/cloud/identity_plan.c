/* Times of temporary keys. Nothing overflows: lives are cut to a week, and a clock to where 64 bits of ns are enough. */
#include "cloud/identity_plan.h"

#include "core/backoff.h"
#include "core/model.h"

#define LEAD_MIN_S 300
#define LEAD_MAX_S 900
#define RETRY_FIRST_NS (2 * NS_PER_S)
#define RETRY_MAX_NS (60 * NS_PER_S)

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static int64_t life_s(const struct identity_times *t)
{
	return clamp(t->expires_s - t->received_s, 0, IDENTITY_LIFE_MAX_S);
}

int64_t identity_refresh_after_s(int64_t life)
{
	int64_t lead = clamp(life / 5, LEAD_MIN_S, LEAD_MAX_S);
	int64_t after = life - (lead < life / 2 ? lead : life / 2);
	return after > 1 ? after : 1;
}

/* The earlier of the two clocks' words on something that lies `after_s` behind the arrival. */
static int64_t at_ns(const struct identity_times *t, int64_t after_s, int64_t now_ns, int64_t wall_s)
{
	int64_t by_boot_ns = t->received_ns + after_s * NS_PER_S;
	int64_t left_s = clamp(t->received_s + after_s - wall_s, -IDENTITY_LIFE_MAX_S, IDENTITY_LIFE_MAX_S);
	int64_t by_wall_ns = now_ns + left_s * NS_PER_S;
	return by_boot_ns < by_wall_ns ? by_boot_ns : by_wall_ns;
}

int64_t identity_refresh_ns(const struct identity_times *t, int64_t now_ns, int64_t wall_s)
{
	return at_ns(t, identity_refresh_after_s(life_s(t)), now_ns, wall_s);
}

int64_t identity_expiry_ns(const struct identity_times *t, int64_t now_ns, int64_t wall_s)
{
	return at_ns(t, life_s(t), now_ns, wall_s);
}

int64_t identity_retry_ns(uint64_t *seed, unsigned int n_failures)
{
	return backoff_jittered_ns(seed, RETRY_FIRST_NS, RETRY_MAX_NS, n_failures > 0 ? n_failures - 1 : 0);
}
