# Directories that belong to other packages. Their .pc files are often not installed on
# build hosts, so each has a default that holds on Debian, Fedora and openSUSE.
function(install_dir name pc variable fallback help)
    pkg_get_variable(found ${pc} ${variable})
    if(NOT found)
        set(found ${fallback})
    endif()
    set(${name} ${found} CACHE PATH ${help})
endfunction()

install_dir(SYSTEMD_UNIT_DIR systemd systemdsystemunitdir /usr/lib/systemd/system "systemd system units")
install_dir(SYSUSERS_DIR systemd sysusersdir /usr/lib/sysusers.d "systemd-sysusers files")
install_dir(UDEV_DIR udev udevdir /usr/lib/udev "udev's directory")
set(UDEV_RULES_DIR ${UDEV_DIR}/rules.d CACHE PATH "udev rules")
install_dir(BASH_COMPLETION_DIR bash-completion completionsdir
            ${CMAKE_INSTALL_FULL_DATADIR}/bash-completion/completions "bash completions")
set(ZSH_COMPLETION_DIR ${CMAKE_INSTALL_FULL_DATADIR}/zsh/site-functions CACHE PATH "zsh completions")
set(FISH_COMPLETION_DIR ${CMAKE_INSTALL_FULL_DATADIR}/fish/vendor_completions.d CACHE PATH "fish completions")
set(QEMU_IFUP_DIR ${CMAKE_INSTALL_FULL_DATADIR}/qemu-kvm CACHE PATH "qemu-ifup and qemu-ifdown")
set(LOGROTATE_DIR ${CMAKE_INSTALL_FULL_SYSCONFDIR}/logrotate.d CACHE PATH "logrotate files")
set(MODPROBE_DIR /usr/lib/modprobe.d CACHE PATH "modprobe.d files of packages")
set(TEXTFILE_DIR /var/lib/prometheus/node-exporter CACHE PATH "where node_exporter collects text files")
