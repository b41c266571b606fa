/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The uevents by which KVM tells of VMs that come and go, and of /dev/kvm itself, by libudev. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "host/cleanup.h"

struct kvm_uevent_monitor;

enum kvm_uevent_kind {
	KVM_UEVENT_VM_CREATED,
	KVM_UEVENT_VM_DESTROYED,
	KVM_UEVENT_DEVICE_ADDED, /* the kvm module was loaded */
	KVM_UEVENT_DEVICE_REMOVED,
};

struct kvm_uevent {
	enum kvm_uevent_kind kind;
	pid_t tid;     /* the thread that created the VM; 0 for the device */
	int64_t count; /* the VMs that there are then; -1 where the kernel does not say */
};

/* What an event says, as text; NULL where it does not. */
struct kvm_uevent_properties {
	const char *sysname, *action, *event, *pid, *count;
};

/* Tells what an event means. Returns false, without *ret_event, for what is of no interest here. */
bool kvm_uevent_interpret(const struct kvm_uevent_properties *properties,
			  struct kvm_uevent *ret_event) must_check;

/*
 * Listens to the kernel's uevents. They reach the initial network namespace only: elsewhere the
 * monitor opens and stays silent. Returns 0 or -errno; *ret_monitor is closed with
 * kvm_uevent_close().
 */
int kvm_uevent_open(struct kvm_uevent_monitor **ret_monitor) must_check;

/* Closes the monitor; NULL is fine. */
void kvm_uevent_close(struct kvm_uevent_monitor *monitor);

/* The descriptor to poll for POLLIN. */
int kvm_uevent_fd(const struct kvm_uevent_monitor *monitor);

/* Takes the next event of KVM. Returns 1, 0 when there is none (any more), or -errno. */
int kvm_uevent_receive(struct kvm_uevent_monitor *monitor, struct kvm_uevent *ret_event) must_check;
