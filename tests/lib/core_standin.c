/*
 * Views of the core that it does not have yet: an empty world. To be deleted with the line in daemon/meson.build that
 * names it as soon as the core has them.
 */
#include "core/reconcile.h"

__attribute__((weak)) uint32_t reconcile_rollout_slots(const struct reconcile *r)
{
	(void)r;
	return 0;
}

__attribute__((weak)) bool reconcile_rollout(const struct reconcile *r, uint32_t slot, struct rollout_view *ret_view)
{
	(void)r;
	(void)slot;
	(void)ret_view;
	return false;
}

__attribute__((weak)) bool reconcile_wave(const struct reconcile *r, uint32_t rollout, uint32_t wave, struct wave_view *ret_view)
{
	(void)r;
	(void)rollout;
	(void)wave;
	(void)ret_view;
	return false;
}

__attribute__((weak)) uint32_t reconcile_approvals(const struct reconcile *r)
{
	(void)r;
	return 0;
}

__attribute__((weak)) bool reconcile_approval(const struct reconcile *r, uint32_t i, struct approval_view *ret_view)
{
	(void)r;
	(void)i;
	(void)ret_view;
	return false;
}

__attribute__((weak)) bool reconcile_is_paused(const struct reconcile *r)
{
	(void)r;
	return false;
}
