# rsm.bash - completion of rsm(8) for bash: verbs, options, pools, media, drives.

# First fields of the rows of a view; nothing when no rsmfs is mounted.
_rsm_view()
{
	rsm "${mount[@]}" view "$1" --plain 2>/dev/null | cut -f"$2"
}

_rsm_options()
{
	rsm help "$1" 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
	printf '%s\n' --json --plain --help
}

# The words of the line, those put together again that bash has parted at colons (drive:256).
_rsm_words()
{
	local word last=

	line=()
	for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
		if ((${#line[@]} > 1)) && [[ $word == : || $last == : ]]; then
			line[-1]+=$word
		else
			line+=("$word")
		fi
		last=$word
	done
}

_rsm()
{
	local -a line
	_rsm_words
	local at=$((${#line[@]} - 1))
	local cur=${line[at]} prev=${line[at - 1]}
	local verb= words= i
	local -a mount=() candidates=()
	local IFS=$' \t\n'

	COMPREPLY=()
	for ((i = 1; i < at; i++)); do
		case ${line[i]} in
		-m | --mount)
			mount=(-m "${line[i + 1]}")
			((i++))
			;;
		-*) ;;
		*)
			verb=${line[i]}
			break
			;;
		esac
	done

	case $prev in
	-m | --mount)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--drive) words=$(_rsm_view drives 1) ;;
	--medium) words=$(_rsm_view media 2) ;;
	--next) words=$(_rsm_view media 1) ;;
	--holds) words="media pools" ;;
	--inventory) words="fast full none" ;;
	--copies | --sides) words="1 2" ;;
	--slot) words=$(_rsm_view slots 1) ;;
	--type) words="LTO-5 LTO-6 LTO-7 LTO-8 LTO-9 LTO-5-WORM LTO-6-WORM LTO-7-WORM LTO-8-WORM LTO-9-WORM" ;;
	--drive-type) words="LTO-5 LTO-6 LTO-7 LTO-8 LTO-9" ;;
	--priority | --timeout | --limit | --max-allocations | --description | --slots | --drives | --ports | --cartridges | \
		--capacity | --rollback | --view | --unview) return ;;
	*)
		if [[ -z $verb ]]; then
			words="$(rsm help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
				--json --plain --mount --help --version"
		elif [[ $cur == -* ]]; then
			words=$(_rsm_options "$verb")
		fi
		;;
	esac

	if [[ -z $words ]]; then
		IFS=$'\n'
		case $verb in
		view)
			if ((at == i + 1)); then
				words=$'libraries\nchangers\ndrives\ndrive-types\nslots\ndoors\nports\nmedia'
				words+=$'\nmedia-types\npools\nlogical\nsides\nqueue\nrequests\ncomputer'
			elif [[ $prev == @(media|pools|logical|sides) ]]; then
				words=$(_rsm_view pools 1)
			else
				words=$(_rsm_view libraries 2)
			fi
			;;
		allocate | createpool | deletepool) words=$(_rsm_view pools 1) ;;
		enable | disable)
			if [[ $prev == drive ]]; then
				words=$(_rsm_view drives 1)
			elif [[ $prev == library ]]; then
				words=$(_rsm_view libraries 2)
			else
				words=$'drive\nlibrary\n'$(_rsm_view media 2)
			fi
			;;
		dismount)
			words="$(_rsm_view media 1)"$'\n'"$(_rsm_view media 2)"$'\n'"$(_rsm_view drives 1 |
				sed 's/^/drive:/')"
			;;
		set)
			if ((at == i + 1)); then
				words=$'computer\n'"$(_rsm_view pools 1)"$'\n'"$(_rsm_view media 1)"
				words+=$'\n'"$(_rsm_view media 2)"$'\n'"$(_rsm_view drives 1 | sed 's/^/drive:/')"
				words+=$'\n'"$(_rsm_view libraries 1 | sed 's/^/library:/')"
				words+=$'\n'"$(_rsm_view slots 1 | sed 's/^/slot:/')"
			else
				words=$'description=\nenabled=\npriority=\ndraw_from_free=\nreturn_to_free='
				words+=$'\nallocation_limit=\nmax_allocations=\nholds=\nmedia_type='
				words+=$'\nkeep_items=\nkeep_failed_items=\nkeep_requests=\ncopies=\nvault=\nreturn=\nuses=\ncleaner='
			fi
			;;
		refresh)
			words="$(_rsm_view media 2)"$'\n'"$(_rsm_view libraries 1 | sed 's/^/library:/')"
			words+=$'\n'"$(_rsm_view media-types 1)"
			;;
		queue)
			words=$(rsm help queue 2>/dev/null | sed -n '1s/.*\[\([a-zN .|]*\)\].*/\1/p' |
				tr '|' '\n' | sed 's/[ .]//g; s/N$//')
			[[ $prev == @(cancel|first|last) ]] && words=$(_rsm_view queue 1)
			;;
		deallocate | mount | swap | complete | decommission | free | forget | eject | log | \
			check) words="$(_rsm_view media 1)"$'\n'"$(_rsm_view media 2)" ;;
		rename) words="$(_rsm_view media 1)"$'\n'"$(_rsm_view pools 1)" ;;
		verify) # a cartridge, or what is in it
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			[[ $cur == */* ]] && return
			words=$(_rsm_view media 1)
			;;
		undelete)
			if ((at == i + 1)); then
				words=$(_rsm_view media 2)
			else
				words=$(_rsm_view pools 1)
			fi
			;;
		move | sync | find)
			words="$(_rsm_view media 1)"$'\n'"$(_rsm_view pools 1)"
			;;
		requests)
			case $prev in
			satisfy | refuse | accept | wait) words=$(_rsm_view requests 1) ;;
			*) words=$'satisfy\nrefuse\naccept\nask\nwait\npurge' ;;
			esac
			;;
		inventory) words=$(_rsm_view libraries 2) ;;
		clean) words=$(_rsm_view drives 1) ;;
		door)
			if ((at == i + 1)); then
				words=$'lock\nunlock'
			else
				words=$(_rsm_view libraries 2)
			fi
			;;
		library)
			if ((at == i + 1)); then
				words=create
			else
				mapfile -t COMPREPLY < <(compgen -d -- "$cur")
				return
			fi
			;;
		help) words=$(rsm help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p') ;;
		wait | export | import)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		esac
	fi

	# Names may have blanks: quoted for the shell, one candidate a line.
	local word
	while IFS= read -r word; do
		[[ -n $word && $word == "$cur"* ]] && candidates+=("$(printf '%q' "$word")")
	done < <(if [[ $words == *$'\n'* ]]; then printf '%s\n' "$words"; else printf '%s\n' $words; fi |
		sed 's/^[[:blank:]]*//')
	if [[ -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		# bash puts them behind the last colon
		COMPREPLY=("${candidates[@]#"${cur%"${cur##*:}"}"}")
	fi
}

complete -F _rsm rsm
