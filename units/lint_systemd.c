/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/lint_systemd.h"

#include <fnmatch.h>

#include "host/text.h"

/*
 * Units that every host with systemd has or makes: systemd.special(7), the units of systemd itself,
 * and those that come from hardware, mounts and slices.
 */
static const char *const units_of_systemd[] = {
	"*.device",
	"*.mount",
	"*.slice",
	"*.swap",
	"autovt@*.service",
	"basic.target",
	"blockdev@*.target",
	"bluetooth.target",
	"boot-complete.target",
	"capsule@*.service",
	"console-getty.service",
	"container-getty@*.service",
	"cryptsetup-pre.target",
	"cryptsetup.target",
	"ctrl-alt-del.target",
	"dbus.service",
	"dbus.socket",
	"debug-shell.service",
	"default.target",
	"display-manager.service",
	"emergency.service",
	"emergency.target",
	"exit.target",
	"factory-reset*.target",
	"final.target",
	"first-boot-complete.target",
	"getty-pre.target",
	"getty.target",
	"getty@*.service",
	"graphical.target",
	"halt.target",
	"hibernate.target",
	"hybrid-sleep.target",
	"init.scope",
	"initrd*.target",
	"initrd-*.service",
	"integritysetup*.target",
	"kbrequest.target",
	"kexec.target",
	"kmod-static-nodes.service",
	"local-fs-pre.target",
	"local-fs.target",
	"machines.target",
	"modprobe@*.service",
	"multi-user.target",
	"network-online.target",
	"network-pre.target",
	"network.target",
	"nss-lookup.target",
	"nss-user-lookup.target",
	"paths.target",
	"poweroff.target",
	"printer.target",
	"proc-sys-fs-binfmt_misc.automount",
	"quotaon*.service",
	"reboot.target",
	"remote-cryptsetup.target",
	"remote-fs-pre.target",
	"remote-fs.target",
	"remote-veritysetup.target",
	"rescue.service",
	"rescue.target",
	"rpcbind.target",
	"runlevel?.target",
	"serial-getty@*.service",
	"shutdown.target",
	"sigpwr.target",
	"sleep.target",
	"slices.target",
	"smartcard.target",
	"sockets.target",
	"soft-reboot.target",
	"sound.target",
	"ssh-access.target",
	"storage-target-mode.target",
	"suspend-then-hibernate.target",
	"suspend.target",
	"swap.target",
	"sysinit.target",
	"syslog.service",
	"syslog.socket",
	"system-update*.target",
	"system-update-cleanup.service",
	"systemd-*",
	"time-set.target",
	"time-sync.target",
	"timers.target",
	"tpm2.target",
	"umount.target",
	"usb-gadget.target",
	"user-runtime-dir@*.service",
	"user@*.service",
	"veritysetup*.target",
};

bool lint_is_of_systemd(const char *name)
{
	size_t i;

	for (i = 0; i < array_size(units_of_systemd); i++) {
		if (fnmatch(units_of_systemd[i], name, 0) == 0)
			return true;
	}
	return false;
}
