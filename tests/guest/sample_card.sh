# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# What the kernel's sample card mtty-2 looks like, to be sourced.
#
#   has_config_rows          $answer is lspci's dump of it

# .. are bytes that the guest writes: the command register, where the ports are, and the interrupt line.
config_rows=(
	"00: 48 43 53 32 .. .. 00 02 10 02 00 07 00 00 00 00"
	"10: .. .. 00 00 .. .. 00 00 00 00 00 00 00 00 00 00"
	"20: 00 00 00 00 00 00 00 00 00 00 00 00 48 43 53 32"
	"30: 00 00 00 00 00 00 00 00 00 00 00 00 .. 01 00 00"
	"40: 23 00 00 80 23 00 00 00 23 00 00 00 23 00 00 00"
	"50: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
	"60: 50 43 49 20 53 65 72 69 61 6c 2f 55 41 52 54 00"
)

has_config_rows() {
	local row

	for row in "${config_rows[@]}"; do
		holds "^$row\$" || {
			echo "# the guest does not see: $row"
			return 1
		}
	done
}
