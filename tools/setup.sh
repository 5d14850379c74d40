# Sourced by ./run and ./check: packages, build, service users. Bash; the caller has set `top` to
# the source folder and stands in it. Functions return nonzero after they said why on stderr.
# shellcheck shell=bash disable=SC2154

# The service users of docs/state.md, each with a group of its own name.
SERVICE_USERS="sekishod sekisho-queryd sekisho-job sekisho-console"

say()
{
	printf '%s\n' "$*" >&2
}

is_debian_12()
{
	local ID='' VERSION_ID=''
	[ -r /etc/os-release ] && . /etc/os-release
	[ "$ID" = debian ] && [ "$VERSION_ID" = 12 ] && command -v apt-get >/dev/null
}

# Lines "package recognition" of the named sections for this machine's architecture.
list_packages()
{
	local section='' name recognition architectures machine
	machine=$(dpkg --print-architecture 2>/dev/null || echo amd64)
	while read -r name recognition architectures; do
		case $name in
		'' | '#'*) continue ;;
		'['*']')
			section=${name//[\[\]]/}
			continue
			;;
		esac
		case " $* " in *" $section "*) ;; *) continue ;; esac
		case $architectures in
		'' | *[\[\ ]"$machine"[\]\ ]*) printf '%s %s\n' "$name" "$recognition" ;;
		esac
	done <"$top/conf/packages"
}

is_there()
{
	case $1 in
	cmd:*) command -v "${1#cmd:}" >/dev/null ;;
	pkg:*) pkg-config --exists "${1#pkg:}" 2>/dev/null ;;
	file:*) [ -e "${1#file:}" ] ;;
	*) true ;;
	esac
}

missing_packages()
{
	local name recognition installed
	if command -v dpkg-query >/dev/null; then
		installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null)
		list_packages "$@" | while read -r name recognition; do
			case $'\n'$installed$'\n' in
			*$'\n'"$name installed"$'\n'*) ;;
			*) printf '%s ' "$name" ;;
			esac
		done
	else
		list_packages "$@" | while read -r name recognition; do
			is_there "$recognition" || printf '%s ' "$name"
		done
	fi
}

# Installs what is missing of the named sections (root on Debian 12), or names it and fails.
need_packages()
{
	local missing
	missing=$(missing_packages "$@")
	[ -z "$missing" ] && return 0
	if ! is_debian_12; then
		say "This is not Debian 12. What these Debian packages bring is missing here: $missing"
		return 1
	fi
	if [ "$(id -u)" -ne 0 ]; then
		say "Packages are missing; run this as root once, or: apt-get install $missing"
		return 1
	fi
	say "Installing: $missing"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	if ! { apt-get -q update && apt-get -q -y --no-install-recommends install $missing; } \
		>"${TMPDIR:-/tmp}/sekisho-apt.$$" 2>&1; then
		cat "${TMPDIR:-/tmp}/sekisho-apt.$$" >&2
		rm -f "${TMPDIR:-/tmp}/sekisho-apt.$$"
		say "The packages could not be installed: $missing"
		return 1
	fi
	rm -f "${TMPDIR:-/tmp}/sekisho-apt.$$"
}

# build_in FOLDER GOAL [CONFIGURE OPTION…]: configures FOLDER when it is not, then makes GOAL.
build_in()
{
	local folder=$1 goal=$2
	shift 2
	mkdir -p "$top/$folder" || return 1
	(
		# One build of a folder at a time, also when two are started at once.
		exec 9>"$top/$folder/.build-lock" && flock 9 || exit 1
		cd "$top" || exit 1
		if [ ! -x configure ] || [ ! -e Makefile.in ]; then
			say "Preparing the build …"
			autoreconf -fi >"$folder/bootstrap.log" 2>&1 || {
				cat "$folder/bootstrap.log" >&2
				say "autoreconf failed"
				exit 1
			}
		fi
		cd "$folder" || exit 1
		if [ ! -e config.status ] || [ ! -e Makefile ]; then
			say "Configuring $folder …"
			../configure -q "$@" >configure.log 2>&1 || {
				cat configure.log >&2
				say "configure failed; $folder/config.log tells more"
				exit 1
			}
		fi
		say "Building $folder …"
		make -s -j"$(nproc)" "$goal" >make.log 2>&1 || {
			cat make.log >&2
			say "The build failed in $folder"
			exit 1
		}
	)
}

# The normal build; leaves ./sekisho and ./sekisho-pattern in the top folder.
build_normal()
{
	local program options=()
	# Other compilers than Debian 12's may have warnings that nobody has seen yet.
	is_debian_12 && options+=(--enable-werror)
	build_in build "$1" "${options[@]}" || return 1
	for program in sekisho sekisho-pattern; do
		cmp -s "$top/build/$program" "$top/$program" && continue
		cp -f "$top/build/$program" "$top/.$program.new" &&
			mv -f "$top/.$program.new" "$top/$program" || return 1
	done
}

# Creates the service users that are missing (root only).
make_users()
{
	local name
	for name in $SERVICE_USERS; do
		getent passwd "$name" >/dev/null && continue
		useradd --system --user-group --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin "$name" || {
			say "The user $name could not be created"
			return 1
		}
	done
}
