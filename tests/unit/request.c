/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/request_rows.h"

static void test_accelerator(void **state)
{
	static const struct row rows[] = {
		{"", NOTHING},
		{"-m|512|-smp|2|disk", NOTHING},
		/* -accel: each is one more to fall back to. */
		{"-accel|kvm", CHOICE | KVM},
		{"--accel|kvm", CHOICE | KVM},
		{"-accel|tcg", CHOICE},
		{"-accel|xen", CHOICE},
		{"-accel|hvf", CHOICE},
		{"-accel|accel=kvm", CHOICE | KVM},
		{"-accel|kvm,kernel-irqchip=split", CHOICE | KVM},
		{"-accel|kernel-irqchip=split,accel=kvm", CHOICE | KVM},
		{"-accel|id=a,accel=kvm", CHOICE | KVM},
		{"-accel|kvm,accel=tcg", CHOICE},
		{"-accel|tcg,accel=kvm", CHOICE | KVM},
		{"-accel|,accel=kvm", CHOICE | KVM},
		{"-accel|tcg,thread=single", CHOICE},
		{"-accel|kvm|-accel|tcg", CHOICE},
		{"-accel|tcg|-accel|kvm", CHOICE},
		{"-accel|kvm|-accel|kvm", CHOICE | KVM},
		{"-accel|kvm:tcg", CHOICE},
		{"-accel|kvm,,x", CHOICE},
		{"-accel|KVM", CHOICE},
		{"-accel|", CHOICE},
		{"-accel|thread=single", CHOICE},
		{"-accel|{\"accel\":\"kvm\"}", CHOICE},
		/* The machine's: a list, and the last one counts. */
		{"-machine|accel=kvm", CHOICE | KVM},
		{"-M|accel=kvm", CHOICE | KVM},
		{"--machine|accel=kvm", CHOICE | KVM},
		{"-machine|q35,accel=kvm", CHOICE | KVM},
		{"-machine|accel=kvm,type=q35", CHOICE | KVM},
		{"-machine|q35,accel=tcg", CHOICE},
		{"-machine|q35,accel=kvm:tcg", CHOICE},
		{"-machine|q35,accel=tcg:kvm", CHOICE},
		{"-machine|q35,accel=kvm:kvm", CHOICE | KVM},
		{"-machine|q35,accel=xen:kvm", CHOICE},
		{"-machine|q35,accel=:kvm", CHOICE},
		{"-machine|q35,accel=kvm:", CHOICE},
		{"-machine|q35,accel=", CHOICE},
		{"-machine|q35,accel=kvmm", CHOICE},
		{"-machine|q35,accel=tcg,accel=kvm", CHOICE | KVM},
		{"-machine|q35,accel=kvm,accel=tcg", CHOICE},
		{"-machine|accel=kvm|-machine|accel=tcg", CHOICE},
		{"-machine|accel=tcg|-M|accel=kvm", CHOICE | KVM},
		{"-machine|accel=kvm|-machine|q35", CHOICE | KVM},
		{"-enable-kvm", CHOICE | KVM},
		{"--enable-kvm", CHOICE | KVM},
		{"-enable-kvm|-machine|accel=tcg", CHOICE},
		{"-machine|accel=tcg|-enable-kvm", CHOICE | KVM},
		{"-enable-hax", CHOICE},
		/* What only looks like it. */
		{"-machine|q35", NOTHING},
		{"-machine|q35,kernel-irqchip=split", NOTHING},
		{"-machine|q35,accelerator=kvm", NOTHING},
		{"-machine|q35,Accel=kvm", NOTHING},
		{"-machine|q35,x=accel=kvm", NOTHING},
		{"-machine|q35,x=1,,accel=kvm", NOTHING},
		{"-machine|accel", NOTHING}, /* a type */
		{"-cpu|host,accel=kvm", NOTHING},
		{"-device|x,accel=kvm", NOTHING},
		{"-object|x,accel=kvm", NOTHING},
		{"-no-accel", NOTHING},
		{"-accelerate|kvm", NOTHING},
		{"-no-enable-kvm", NOTHING},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_values_are_no_options(void **state)
{
	static const struct row rows[] = {
		{"-name|-accel", NOTHING},
		{"-name|-accel|kvm", NOTHING}, /* "kvm" is a disk image */
		{"-append|-M none", NOTHING},
		{"-append|-M|-enable-kvm", CHOICE | KVM},
		{"-kernel|-version", NOTHING},
		{"-kernel|-version|-version", INFO},
		{"-initrd|--help", NOTHING},
		{"-bios|-h", NOTHING},
		{"-name|-readconfig|@/x", NOTHING},
		{"-name|-no-user-config", NOTHING},
		{"-append|-accel|-accel|kvm", CHOICE | KVM},
		{"-device|-enable-kvm", NOTHING},
		{"-machine|-enable-kvm", NOTHING},
		{"-accel|-version", CHOICE},
		/* Disk images. */
		{"accel|kvm", NOTHING},
		{"help|version|none", NOTHING},
		{"|-enable-kvm", CHOICE | KVM},
		{"disk|-enable-kvm|disk2", CHOICE | KVM},
		/* Unknown ones: newer than what is known here. */
		{"-frobnicate|-accel|kvm", CHOICE | KVM},
		{"-frobnicate|3|-accel|kvm", CHOICE | KVM},
		{"-frobnicate|help", NOTHING},
		{"-frobnicate|-version", INFO},
		{"-frobnicate", NOTHING},
		{"-|-accel|kvm", CHOICE | KVM},
		{"--|-accel|kvm", CHOICE | KVM},
		/* What lacks its value ends QEMU: no guest runs. */
		{"-accel", INFO},
		{"-machine", INFO},
		{"-M", INFO},
		{"-readconfig", INFO},
		{"-set", INFO},
		{"-netdev", INFO},
		{"-name", INFO},
		{"-m|512|-device", INFO},
		{"-enable-kvm|-accel", INFO | CHOICE | KVM},
		{"-M|pc|-M", INFO},
		{"-netdev|tap,vhost=on|-device", INFO},
		/* The old options that take a value hide it, too. */
		{"-pcidevice|-accel|kvm", NOTHING},
		{"-kvm-shadow-memory|-version", NOTHING},
		/* An old one that chooses, where QEMU still has it. */
		{"-no-kvm", CHOICE},
		{"-no-kvm|-version", INFO | CHOICE},
		{"-no-kvm|-enable-kvm", CHOICE | KVM},
		{"-enable-kvm|-no-kvm", CHOICE},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_set(void **state)
{
	static const struct row rows[] = {
		{"-set|accel.a.thread=single", CHOICE},
		{"-accel|kvm,id=a|-set|accel.a.accel=tcg", CHOICE},
		{"-accel|tcg,id=a|-set|accel.a.accel=kvm", CHOICE},
		{"-set|machine.m.accel=tcg", CHOICE},
		{"-set|machine.m.accel=kvm", CHOICE | KVM},
		{"-set|machine.m.accel=kvm:tcg", CHOICE},
		{"-set|machine.m.usb=on", NOTHING},
		{"-set|machine.m.x=.accel=kvm", NOTHING},
		{"-set|device.x.accel=kvm", NOTHING},
		{"-set|drive.x.file=accel.a.accel=kvm", NOTHING},
		{"-set|xaccel.a.accel=kvm", NOTHING},
		{"-set|", NOTHING},
		{"-set|machine", NOTHING},
		{"-set|=", NOTHING},
		{"-set|.accel=", NOTHING},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

/* The machines of Xen bring their accelerator; a choice of another one is the user's. */
static void test_xen(void **state)
{
	static const struct row rows[] = {
		{"-machine|xenfv", CHOICE},
		{"-M|xenpv", CHOICE},
		{"-machine|type=xenfv-4.2", CHOICE},
		{"-M|xenpvh", CHOICE},
		{"-machine|xenfv,usb=on", CHOICE},
		{"-machine|pc|-machine|xenfv", CHOICE},
		{"-machine|xenfv|-machine|usb=on", CHOICE},
		{"-machine|xenfv|-machine|pc", NOTHING},
		{"-machine|xenfv,type=pc", NOTHING},
		{"-machine|pc,xen-platform-dev=on", NOTHING},
		{"-machine|pc,x=xenfv", NOTHING},
		{"-machine|XENFV", NOTHING},
		{"-xen-domid|1|-xen-attach", NOTHING},
		{"-machine|xenfv|-enable-kvm", CHOICE | KVM},
		{"-machine|xenfv,accel=xen", CHOICE},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_information(void **state)
{
	static const struct row rows[] = {
		{"-h", INFO},
		{"-help", INFO},
		{"--help", INFO},
		{"-version", INFO},
		{"--version", INFO},
		{"-audio-help", INFO},
		{"-enable-kvm|-version", INFO | CHOICE | KVM},
		{"-m|512|disk|-h", INFO},
		{"help", NOTHING},
		{"-helpx", NOTHING},
		{"-?", NOTHING},
		/* The type of the last machine. */
		{"-machine|none", INFO},
		{"-M|none", INFO},
		{"-M|type=none", INFO},
		{"-M|none,accel=kvm", INFO | CHOICE | KVM},
		{"-M|none|-M|accel=tcg", INFO | CHOICE},
		{"-M|pc|-M|none", INFO},
		{"-M|none|-M|pc", NOTHING},
		{"-M|none,type=pc", NOTHING},
		{"-M|pc,type=none", INFO},
		{"-M|NONE", NOTHING},
		{"-M|nonesuch", NOTHING},
		{"-M|", NOTHING},
		{"-vga|none", NOTHING},
		/* Lists. */
		{"-machine|help", INFO},
		{"-machine|?", INFO},
		{"-M|q35,help", INFO},
		{"-M|q35,?", INFO},
		{"-M|q35,usb=help", NOTHING},
		{"-M|q35,helpx", NOTHING},
		{"-M|q35,,help", NOTHING},
		{"-accel|help", INFO | CHOICE},
		{"-accel|?", INFO | CHOICE},
		{"-accel|accel=help", INFO | CHOICE},
		{"-accel|tcg,help", CHOICE},
		{"-cpu|help", INFO},
		{"-cpu|?", INFO},
		{"-cpu|max,help", NOTHING},
		{"-device|help", INFO},
		{"-device|e1000,help", INFO},
		{"-device|e1000,?", INFO},
		{"-device|driver=help", INFO},
		{"-device|e1000,id=help", NOTHING},
		{"-device|{\"driver\":\"help\"}", NOTHING},
		{"-object|help", INFO},
		{"-object|memory-backend-ram,help", INFO},
		{"-object|qom-type=help", INFO},
		{"-netdev|help", INFO},
		{"-netdev|user,help", NOTHING},
		{"-chardev|help", INFO},
		{"-chardev|backend=help", INFO},
		{"-drive|format=help", INFO},
		{"-drive|file=x,format=?", INFO},
		{"-drive|help", NOTHING},
		{"-drive|file=help", NOTHING},
		{"-net|nic,model=help", INFO},
		{"-nic|model=help", INFO},
		{"-d|help", INFO},
		{"-d|in_asm,help", INFO},
		{"-smp|help", INFO},
		{"-boot|help", INFO},
		{"-display|help", INFO},
		{"-vga|help", INFO},
		{"-L|help", INFO},
		{"-trace|help", INFO},
		{"-tpmdev|help", INFO},
		{"-audiodev|help", INFO},
		/* Of these QEMU looks at the last value only. */
		{"-cpu|help|-cpu|qemu64", NOTHING},
		{"-cpu|?|-cpu|qemu64|-enable-kvm", CHOICE | KVM},
		{"-cpu|qemu64|-cpu|help", INFO},
		{"-cpu|help|-cpu|qemu64|-cpu|help", INFO},
		{"-d|help|-d|int", NOTHING},
		{"-d|int|-d|help", INFO},
		{"-vga|help|-vga|std", NOTHING},
		{"-vga|std|-vga|help", INFO},
		{"-cpu|help|-vga|std|-d|int", INFO},
		{"-cpu|help|-cpu|qemu64|-d|help", INFO},
		{"-cpu|help|-cpu|qemu64|-version", INFO},
		{"-version|-cpu|help|-cpu|qemu64", INFO},
		/* It obeys the others' at once, or one of them all. */
		{"-machine|help|-machine|pc", INFO},
		{"-accel|help|-accel|tcg", INFO | CHOICE},
		{"-device|help|-device|e1000", INFO},
		{"-smp|help|-smp|1", INFO},
		{"-boot|help|-boot|c", INFO},
		{"-display|help|-display|none", INFO},
		{"-L|help|-L|/tmp", INFO},
		{"-trace|help|-trace|x", INFO},
		/* Values of options that know no help, or not as this one. */
		{"-name|help", NOTHING},
		{"-m|help", NOTHING},
		{"-kernel|help", NOTHING},
		{"-append|help", NOTHING},
		{"-global|help", NOTHING},
		{"-serial|?", NOTHING},
		{"-readconfig|help", NOTHING},
		{"-device|-help", NOTHING},
		{"-device|HELP", NOTHING},
		{"-device|", NOTHING},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_vhost_net(void **state)
{
	static const struct row rows[] = {
		{"-netdev|tap,id=n", NOTHING},
		{"-netdev|tap,id=n,vhost=on", NET},
		{"--netdev|tap,id=n,vhost=on", NET},
		{"-netdev|vhost=on,type=tap,id=n", NET},
		{"-netdev|tap,vhost", NET},
		{"-netdev|tap,vhost=yes", NET},
		{"-netdev|tap,vhost=true", NET},
		{"-netdev|tap,vhost=y", NET},
		{"-netdev|tap,vhost=off", NOTHING},
		{"-netdev|tap,vhost=", NOTHING},
		{"-netdev|tap,vhost=1", NOTHING},
		{"-netdev|tap,vhost=on,vhost=off", NOTHING},
		{"-netdev|tap,vhost=off,vhost=on", NET},
		{"-netdev|tap,vhostforce=on", NET},
		{"-netdev|tap,vhostforce", NET},
		{"-netdev|tap,vhostforce=off", NOTHING},
		{"-netdev|tap,vhost=on,vhostforce=off", NET},
		{"-netdev|tap,fd=3,vhost=on", NET},
		{"-netdev|tap,queues=4,vhost=on", NET},
		/* Descriptors of the caller's. */
		{"-netdev|tap,vhost=on,vhostfd=4", NOTHING},
		{"-netdev|tap,vhostfd=4,vhost=on", NOTHING},
		{"-netdev|tap,fds=3:4,vhost=on,vhostfds=5:6", NOTHING},
		{"-netdev|tap,vhostfd=4", NOTHING},
		/* Others. */
		{"-netdev|user,id=n,vhost=on", NOTHING},
		{"-netdev|vhost-user,id=n,vhostforce=on", NOTHING},
		{"-netdev|bridge,id=n,vhost=on", NOTHING},
		{"-netdev|tap2,vhost=on", NOTHING},
		{"-netdev|id=n,tap,vhost=on", NOTHING}, /* only the first is the type */
		{"-netdev|tap,ifname=a,,vhost=on", NOTHING},
		{"-netdev|tap,script=vhost=on", NOTHING},
		{"-device|tap,vhost=on", NOTHING},
		{"-name|tap,vhost=on", NOTHING},
		/* One is enough. */
		{"-netdev|tap,vhost=on,id=a|-netdev|tap,vhost=off,id=b", NET},
		{"-netdev|tap,vhost=on,vhostfd=3,id=a|-netdev|tap,vhost=on,id=b", NET},
		/* The other options for it. */
		{"-net|tap,vhost=on", NET},
		{"-net|nic|-net|tap,vhost=on", NET},
		{"-net|nic,vhost=on", NOTHING},
		{"-nic|tap,vhost=on,model=virtio-net-pci", NET},
		{"-nic|user,vhost=on", NOTHING},
		{"-nic|tap,vhost=on|-accel|kvm", NET | CHOICE | KVM},
		{"-nic|tap,vhost=on|-version", INFO},
		{"-nic|tap,vhost=on|-M|none", INFO},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

/* vhostforce= counts only where vhost= does not say anything (net/tap.c, any version). */
static void test_vhost_off_is_off(void **state)
{
	static const struct row rows[] = {
		{"-netdev|tap,vhost=off,vhostforce=on", NOTHING},
		{"-netdev|tap,vhostforce=on,vhost=off", NOTHING},
		{"-netdev|tap,vhost=on,novhost", NOTHING},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_vhost_vsock(void **state)
{
	static const struct row rows[] = {
		{"-device|vhost-vsock-pci,guest-cid=3", VSOCK},
		{"--device|vhost-vsock-pci", VSOCK},
		{"-device|driver=vhost-vsock-pci,guest-cid=3", VSOCK},
		{"-device|guest-cid=3,driver=vhost-vsock-pci", VSOCK},
		{"-device|vhost-vsock-ccw,guest-cid=3", VSOCK},
		{"-device|vhost-vsock-device,guest-cid=3", VSOCK},
		{"-device|vhost-vsock-pci-non-transitional,guest-cid=3", VSOCK},
		{"-device|vhost-vsock-pci,guest-cid=3,vhostfd=7", NOTHING},
		{"-device|vhostfd=7,driver=vhost-vsock-pci", NOTHING},
		{"-device|virtio-vsock-pci", NOTHING},
		{"-device|vhost-user-vsock-pci,chardev=c", NOTHING},
		{"-device|vhost-scsi-pci,wwpn=x", NOTHING},
		{"-device|e1000,x=vhost-vsock-pci", NOTHING},
		{"-device|e1000,driver=vhost-vsock-pci", VSOCK},
		{"-global|vhost-vsock-pci.guest-cid=3", NOTHING},
		/* Who only asks needs no device. */
		{"-device|vhost-vsock-pci,help", INFO},
		{"-device|vhost-vsock-pci|-version", INFO},
		{"-h|-device|vhost-vsock-pci", INFO},
		{"-M|none|-device|vhost-vsock-pci", INFO},
		{"-M|none|-device|vhost-vsock-pci|-M|pc", VSOCK},
		{"-device|vhost-vsock-pci|-netdev|tap,vhost=on", VSOCK | NET},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

/* JSON is read by QEMU; its forms of the options that matter here are left alone. */
static void test_json(void **state)
{
	static const struct row rows[] = {
		{"-netdev|{\"type\":\"user\",\"id\":\"n\"}", NOTHING},
		{"-device|{\"driver\":\"e1000\",\"id\":\"-accel\"}|-accel|kvm", CHOICE | KVM},
		{"-object|{\"qom-type\":\"x\"},help", NOTHING},
		{"-blockdev|{\"driver\":\"file\",\"filename\":\"a,accel=kvm\"}", NOTHING},
		{"-machine|{\"type\":\"none\",\"accel\":\"kvm\"}", NOTHING},
	};

	(void)state;
	assert_rows(rows, array_size(rows));
}

static void test_choice_text(void **state)
{
	static const char *const rows[][2] = {
		{"-accel|kvm", "-accel kvm"},
		{"-accel|kvm,thread=single", "-accel kvm"},
		{"-accel|tcg|-accel|kvm", "-accel kvm"},
		{"-machine|q35,accel=kvm:tcg", "-machine accel=kvm:tcg"},
		{"-M|accel=tcg", "-machine accel=tcg"},
		{"-enable-kvm", "-enable-kvm"},
		{"-enable-hax", "-enable-hax"},
		{"-M|xenfv", "-machine xenfv"},
		{"-M|xenfv,accel=xen", "-machine accel=xen"},
		{"-no-kvm", "-no-kvm, accel=tcg"},
		{"-set|accel.a.accel=tcg", "-set accel.a.accel=tcg"},
		{"-readconfig|@/machine.conf", "accel=tcg in @/machine.conf"},
		{"-readconfig|@/accel.conf", "[accel] kvm in @/accel.conf"},
	};
	size_t i;

	(void)state;
	tree_put(&tree, "machine.conf", "[machine]\naccel = \"tcg\"\n");
	tree_put(&tree, "accel.conf", "[accel]\naccel = \"kvm\"\n");
	for (i = 0; i < array_size(rows); i++) {
		char *choice, *expected = expand(rows[i][1]);

		read_line(rows[i][0], &choice);
		assert_row(choice, rows[i][0]);
		assert_string_equal(choice, expected);
		free(choice);
		free(expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accelerator),
		cmocka_unit_test(test_values_are_no_options),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_xen),
		cmocka_unit_test(test_information),
		cmocka_unit_test(test_vhost_net),
		cmocka_unit_test(test_vhost_off_is_off),
		cmocka_unit_test(test_vhost_vsock),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_choice_text),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
