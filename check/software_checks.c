/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that run guests. */
#include <errno.h>
#include <string.h>

#include "check/checks.h"
#include "host/accel_setting.h"
#include "host/bridge_helper.h"
#include "host/emulator.h"
#include "host/libvirt.h"

int check_bridge_helper(const struct subject *subject, struct result *result)
{
	struct bridge_helper helper = bridge_helper_find(subject->root);
	int r;

	if (!helper.path)
		return result_set(result, VERDICT_SKIP, "not-installed",
				  "qemu-bridge-helper is not installed");
	if (!helper.is_privileged) {
		r = result_set(result, VERDICT_WARN, "not-setuid",
			       "%s is not set-user-ID root: ordinary users get no bridge for their "
			       "guests",
			       helper.path);
		return r < 0 ? r
			     : result_advise(result,
					     "if they shall, run \"chmod u+s %s\" as root; keep "
					     "that by dpkg-statoverride where there is one",
					     helper.path);
	}
	if (!helper.config || (!helper.config_error && !helper.allows_any)) {
		r = result_set(result, VERDICT_WARN, "no-bridge",
			       "%s is set up, but %s allows no bridge", helper.path,
			       helper.config ? helper.config : "no bridge.conf");
		return r < 0 ? r
			     : result_advise(result, "add a line such as \"allow br0\" to %s",
					     helper.config ? helper.config
							   : "/etc/qemu/bridge.conf");
	}
	if (helper.config_error)
		return result_set_unreadable(result, helper.config, -helper.config_error);
	return result_set(result, VERDICT_PASS, "ok", "%s is set up, and %s allows a bridge",
			  helper.path, helper.config);
}

int check_emulator(const struct subject *subject, struct result *result)
{
	cleanup_free char *name = subject->machine ? emulator_name(subject->machine) : NULL;
	cleanup_free char *path = NULL;
	int r;

	if (!subject->machine)
		return result_set(result, VERDICT_UNKNOWN, "unreadable",
				  "which architecture this is cannot be read");
	if (!name)
		return -ENOMEM;
	r = emulator_find_below(subject->root, name, subject->root->real ? getenv("PATH") : NULL,
				&path);
	if (r == -ENOMEM)
		return r;
	if (r == 0)
		return result_set(result, VERDICT_PASS, "ok", "%s", path);
	if (r != -ENOENT)
		return result_set(result, VERDICT_WARN, "emulator-broken",
				  "%s cannot be executed: %s", path, strerror(-r));
	r = result_set(result, VERDICT_WARN, "no-emulator",
		       "%s is not installed: not in PATH, and there is no /usr/libexec/qemu-kvm",
		       name);
	if (r < 0 || !subject->root->real)
		return r;
	return result_advise(result, "install the package %s", EMULATOR_PACKAGE);
}

int check_launcher(const struct subject *subject, struct result *result)
{
	struct accel_setting setting = {.policy = ACCEL_REQUIRE};
	cleanup_free char *why = NULL;
	/* The user's variable is of this host, not of a copy. */
	int r = accel_setting_read(subject->root, subject->is_asked ? getenv(ACCEL_VARIABLE) : NULL,
				   &setting, &why);
	const char *policy, *source;

	if (r == -ENOMEM || (r < 0 && !why))
		return -ENOMEM;
	if (r < 0)
		return result_set(result, VERDICT_WARN, "bad-configuration",
				  "qemu-kvm starts nothing: %s", why);
	policy = accel_policy_name(setting.policy);
	source = setting.source ? setting.source : "the default";
	if (setting.policy == ACCEL_OFF)
		return result_set(result, VERDICT_PASS, "policy-off",
				  "the policy is %s (%s): qemu-kvm leaves KVM to QEMU", policy,
				  source);
	if (subject->kvm.cause == KVM_CAUSE_NONE)
		return result_set(result, VERDICT_PASS, "ok", "the policy is %s (%s), and %s",
				  policy, source,
				  subject->is_asked ? "can be met" : "there is a /dev/kvm");
	if (setting.policy == ACCEL_PREFER)
		return result_set(result, VERDICT_WARN, "policy-not-met",
				  "the policy is %s (%s): qemu-kvm runs guests without KVM, slowly",
				  policy, source);
	return result_set(result, VERDICT_FAIL, "policy-not-met",
			  "the policy is %s (%s): qemu-kvm will not start guests", policy, source);
}

static int judge_units(const struct libvirt_units *units, struct result *result)
{
	int r;

	if (units->monolithic && units->modular) {
		r = result_set(result, VERDICT_WARN, "libvirt-conflict",
			       "both modes of libvirt are enabled, %s and %s: they stop each other",
			       units->monolithic, units->clash ? units->clash : units->modular);
		return r < 0 ? r
			     : result_advise(
				       result,
				       "disable one: \"systemctl disable --now libvirtd.service "
				       "libvirtd.socket libvirtd-ro.socket "
				       "libvirtd-admin.socket\" leaves the modular one");
	}
	if (units->modular)
		return result_set(result, VERDICT_PASS, "modular", "modular, by %s",
				  units->modular);
	if (units->monolithic)
		return result_set(result, VERDICT_PASS, "monolithic", "monolithic, by %s",
				  units->monolithic);
	if (!units->monolithic_installed && !units->modular_installed)
		return result_set(result, VERDICT_SKIP, "not-installed",
				  "libvirt is not installed");
	r = result_set(result, VERDICT_WARN, "not-enabled",
		       "libvirt is installed, and no unit of it is enabled");
	return r < 0 ? r
		     : result_advise(result, "run \"systemctl enable --now %s\" as root",
				     units->modular_installed ? "virtqemud.socket"
							      : "libvirtd.socket");
}

int check_libvirt(const struct subject *subject, struct result *result)
{
	cleanup_libvirt_units struct libvirt_units units = {0};
	int r = libvirt_units_read(subject->root, &units);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return result_set_unreadable(result, "a directory of systemd's units", -r);
	return judge_units(&units, result);
}
