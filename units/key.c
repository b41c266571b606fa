/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/key.h"

#include <stdlib.h>
#include <string.h>

#include "host/cleanup.h"

/*
 * The keys of all sections of which the last assignment counts, sorted. A list that is not here is
 * safe: systemd itself will take the last of what is left. A list among these would be lost.
 */
static const char *const scalars[] = {"Accept",
				      "AccuracySec",
				      "AllowIsolate",
				      "AppArmorProfile",
				      "Backlog",
				      "BindIPv6Only",
				      "BindToDevice",
				      "BlockIOAccounting",
				      "BlockIOWeight",
				      "Broadcast",
				      "BusName",
				      "CPUAccounting",
				      "CPUQuota",
				      "CPUQuotaPeriodSec",
				      "CPUSchedulingPolicy",
				      "CPUSchedulingPriority",
				      "CPUSchedulingResetOnFork",
				      "CPUShares",
				      "CPUWeight",
				      "CacheDirectoryMode",
				      "CollectMode",
				      "ConfigurationDirectoryMode",
				      "CoredumpReceive",
				      "DefaultDependencies",
				      "DefaultInstance",
				      "DefaultMemoryLow",
				      "DefaultMemoryMin",
				      "DeferAcceptSec",
				      "DeferReactivation",
				      "Description",
				      "DevicePolicy",
				      "DirectoryMode",
				      "DynamicUser",
				      "ExitType",
				      "ExtraOptions",
				      "FailureAction",
				      "FailureActionExitStatus",
				      "FileDescriptorName",
				      "FileDescriptorStoreMax",
				      "FileDescriptorStorePreserve",
				      "FinalKillSignal",
				      "FixedRandomDelay",
				      "FlushPending",
				      "ForceUnmount",
				      "FreeBind",
				      "Group",
				      "GuessMainPID",
				      "IOAccounting",
				      "IOSchedulingClass",
				      "IOSchedulingPriority",
				      "IOWeight",
				      "IPAccounting",
				      "IPCNamespacePath",
				      "IPTOS",
				      "IPTTL",
				      "IgnoreOnIsolate",
				      "IgnoreSIGPIPE",
				      "JobRunningTimeoutSec",
				      "JobTimeoutAction",
				      "JobTimeoutRebootArgument",
				      "JobTimeoutSec",
				      "KeepAlive",
				      "KeepAliveIntervalSec",
				      "KeepAliveProbes",
				      "KeepAliveTimeSec",
				      "KeyringMode",
				      "KillMode",
				      "KillSignal",
				      "LazyUnmount",
				      "LimitAS",
				      "LimitCORE",
				      "LimitCPU",
				      "LimitDATA",
				      "LimitFSIZE",
				      "LimitLOCKS",
				      "LimitMEMLOCK",
				      "LimitMSGQUEUE",
				      "LimitNICE",
				      "LimitNOFILE",
				      "LimitNPROC",
				      "LimitRSS",
				      "LimitRTPRIO",
				      "LimitRTTIME",
				      "LimitSIGPENDING",
				      "LimitSTACK",
				      "LockPersonality",
				      "LogLevelMax",
				      "LogNamespace",
				      "LogRateLimitBurst",
				      "LogRateLimitIntervalSec",
				      "LogsDirectoryMode",
				      "MakeDirectory",
				      "ManagedOOMMemoryPressure",
				      "ManagedOOMMemoryPressureLimit",
				      "ManagedOOMPreference",
				      "ManagedOOMSwap",
				      "Mark",
				      "MaxConnections",
				      "MaxConnectionsPerSource",
				      "MemoryAccounting",
				      "MemoryDenyWriteExecute",
				      "MemoryHigh",
				      "MemoryKSM",
				      "MemoryLimit",
				      "MemoryLow",
				      "MemoryMax",
				      "MemoryMin",
				      "MemorySwapMax",
				      "MemoryZSwapMax",
				      "MessageQueueMaxMessages",
				      "MessageQueueMessageSize",
				      "MountAPIVFS",
				      "NUMAPolicy",
				      "NetworkNamespacePath",
				      "Nice",
				      "NoDelay",
				      "NoNewPrivileges",
				      "NonBlocking",
				      "NotifyAccess",
				      "OOMPolicy",
				      "OOMScoreAdjust",
				      "OnClockChange",
				      "OnFailureIsolate",
				      "OnFailureJobMode",
				      "OnSuccessJobMode",
				      "OnTimezoneChange",
				      "Options",
				      "PAMName",
				      "PIDFile",
				      "PassCredentials",
				      "PassFileDescriptorsToExec",
				      "PassPacketInfo",
				      "PassSecurity",
				      "PermissionsStartOnly",
				      "Persistent",
				      "Personality",
				      "PipeSize",
				      "PollLimitBurst",
				      "PollLimitIntervalSec",
				      "Priority",
				      "PrivateDevices",
				      "PrivateIPC",
				      "PrivateMounts",
				      "PrivateNetwork",
				      "PrivatePIDs",
				      "PrivateTmp",
				      "PrivateUsers",
				      "ProcSubset",
				      "ProtectClock",
				      "ProtectControlGroups",
				      "ProtectHome",
				      "ProtectHostname",
				      "ProtectKernelLogs",
				      "ProtectKernelModules",
				      "ProtectKernelTunables",
				      "ProtectProc",
				      "ProtectSystem",
				      "RandomizedDelaySec",
				      "ReadWriteOnly",
				      "RebootArgument",
				      "ReceiveBuffer",
				      "RefuseManualStart",
				      "RefuseManualStop",
				      "RemainAfterElapse",
				      "RemainAfterExit",
				      "RemoveIPC",
				      "RemoveOnStop",
				      "Restart",
				      "RestartKillSignal",
				      "RestartMaxDelaySec",
				      "RestartMode",
				      "RestartSec",
				      "RestartSteps",
				      "RestrictRealtime",
				      "RestrictSUIDSGID",
				      "ReusePort",
				      "RootDirectory",
				      "RootDirectoryStartOnly",
				      "RootEphemeral",
				      "RootHash",
				      "RootImage",
				      "RootVerity",
				      "RuntimeDirectoryMode",
				      "RuntimeDirectoryPreserve",
				      "RuntimeMaxSec",
				      "RuntimeRandomizedExtraSec",
				      "SELinuxContext",
				      "SELinuxContextFromNet",
				      "SendBuffer",
				      "SendSIGHUP",
				      "SendSIGKILL",
				      "Service",
				      "SetLoginEnvironment",
				      "Slice",
				      "SloppyOptions",
				      "SmackLabel",
				      "SmackLabelIPIn",
				      "SmackLabelIPOut",
				      "SmackProcessLabel",
				      "SocketGroup",
				      "SocketMode",
				      "SocketProtocol",
				      "SocketUser",
				      "SourcePath",
				      "StandardError",
				      "StandardInput",
				      "StandardOutput",
				      "StartLimitAction",
				      "StartLimitBurst",
				      "StartLimitInterval",
				      "StartLimitIntervalSec",
				      "StartupBlockIOWeight",
				      "StartupCPUShares",
				      "StartupCPUWeight",
				      "StartupIOWeight",
				      "StartupMemoryHigh",
				      "StartupMemoryLow",
				      "StartupMemoryMax",
				      "StartupMemorySwapMax",
				      "StateDirectoryMode",
				      "StopWhenUnneeded",
				      "SuccessAction",
				      "SuccessActionExitStatus",
				      "SurviveFinalKillSignal",
				      "SyslogFacility",
				      "SyslogIdentifier",
				      "SyslogLevel",
				      "SyslogLevelPrefix",
				      "SystemCallErrorNumber",
				      "TCPCongestion",
				      "TTYColumns",
				      "TTYPath",
				      "TTYReset",
				      "TTYRows",
				      "TTYVHangup",
				      "TTYVTDisallocate",
				      "TasksAccounting",
				      "TasksMax",
				      "TimeoutAbortSec",
				      "TimeoutCleanSec",
				      "TimeoutIdleSec",
				      "TimeoutSec",
				      "TimeoutStartFailureMode",
				      "TimeoutStartSec",
				      "TimeoutStopFailureMode",
				      "TimeoutStopSec",
				      "TimerSlackNSec",
				      "Timestamping",
				      "Transparent",
				      "TriggerLimitBurst",
				      "TriggerLimitIntervalSec",
				      "Type",
				      "UMask",
				      "USBFunctionDescriptors",
				      "USBFunctionStrings",
				      "Unit",
				      "User",
				      "UtmpIdentifier",
				      "UtmpMode",
				      "WakeSystem",
				      "WatchdogSec",
				      "WatchdogSignal",
				      "What",
				      "Where",
				      "WorkingDirectory",
				      "Writable"};

/* Sorted, as are those of [Install]. */
static const char *const dependencies[] = {
	"After",          "Before",
	"BindsTo",        "Conflicts",
	"Documentation",  "OnFailure",
	"OnSuccess",      "PartOf",
	"Requires",       "RequiresMountsFor",
	"Requisite",      "StopPropagatedFrom",
	"Upholds",        "Wants",
	"WantsMountsFor",
};
static const char *const install_keys[] = {"Alias", "Also", "RequiredBy", "UpheldBy", "WantedBy"};

/* Keys that systemd resets together, by how they begin. */
static const struct {
	const char *section, *start;
} groups[] = {
	{"Unit", "Condition"},
	{"Unit", "Assert"},
	{"Socket", "Listen"},
	{"Path", "Path"},
};

static const char *const timers[] = {"OnActiveSec",  "OnBootSec",       "OnCalendar",
				     "OnStartupSec", "OnUnitActiveSec", "OnUnitInactiveSec"};

static int compare(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static bool is_among(const char *const *names, size_t count, const char *key)
{
	return bsearch(key, names, count, sizeof(*names), compare) != NULL;
}

bool key_is_scalar(const char *key)
{
	return is_among(scalars, array_size(scalars), key);
}

bool key_is_set(const char *section, const char *key)
{
	if (strcmp(section, "Unit") == 0)
		return is_among(dependencies, array_size(dependencies), key);
	if (strcmp(section, "Install") == 0)
		return is_among(install_keys, array_size(install_keys), key);
	return false;
}

const char *key_reset_group(const char *section, const char *key, unsigned *ret_length)
{
	size_t i;

	for (i = 0; i < array_size(groups); i++) {
		size_t length = strlen(groups[i].start);

		if (strcmp(section, groups[i].section) == 0 &&
		    strncmp(key, groups[i].start, length) == 0) {
			*ret_length = (unsigned)length;
			return groups[i].start;
		}
	}
	*ret_length = (unsigned)strlen(key);
	if (strcmp(section, "Timer") == 0 && is_among(timers, array_size(timers), key)) {
		*ret_length = 2;
		return "On";
	}
	/* The one key of paths that begins otherwise. */
	if (strcmp(section, "Path") == 0 && strcmp(key, "DirectoryNotEmpty") == 0) {
		*ret_length = 4;
		return "Path";
	}
	return key;
}
