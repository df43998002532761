# Runs one server, and ends it when whoever started this script is gone.
#
#   sh guardian.sh FOLDER GRACE ORPHAN PROGRAM [ARGUMENT...]
#
# Standard input is a pipe whose other end only the starter holds: its end-of-file means that the starter has ended,
# in whatever way, kill -9 included. Then ORPHAN=stop stops the server gracefully and kills it after GRACE seconds;
# ORPHAN=remove kills it at once and removes FOLDER. Prints the server's process id, and ends when the server has
# ended, with the server's status.
folder=$1 grace=$2 orphan=$3
shift 3
# A shell that reacted to these would die and leave the server alone. Unlike ignoring them, this is not inherited.
trap : HUP INT TERM
exec 3<&0

"$@" </dev/null >>"$folder/log" 2>&1 3<&- &
server=$!
echo "$server" >"$folder/pid"
echo "$server"

(
  trap '' HUP INT TERM
  read -r _ <&3
  # From here on the main shell's USR1 no longer ends this one: there is work to finish.
  trap '' USR1
  if [ "$orphan" = remove ]; then
    kill -KILL "$server"
  else
    kill -TERM "$server"
    kill -CONT "$server"
  fi
  tenths=0
  while kill -0 "$server"; do
    [ "$tenths" -eq $((grace * 10)) ] && kill -KILL "$server"
    tenths=$((tenths + 1))
    sleep 0.1
  done
  [ "$orphan" = remove ] && rm -rf "$folder"
) >/dev/null 2>&1 &
watcher=$!

# A trapped signal ends `wait` early; the server is gone only when its process id is.
while :; do
  wait "$server"
  status=$?
  kill -0 "$server" 2>/dev/null || break
done
kill -USR1 "$watcher" 2>/dev/null
# A next run may have written its own by now.
[ "$(cat "$folder/pid" 2>/dev/null)" = "$server" ] && rm -f "$folder/pid"
exit "$status"
