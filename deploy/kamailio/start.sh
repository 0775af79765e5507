#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Starts Kamailio before a group of stations, from the environment:
#   STATIONS            SIP addresses of the stations, as "10.0.0.11:5060 10.0.0.12:5060"
#   TRUNK               address of the trunk, as trunk.example:5060
#   TRUNK_SOURCES       regular expression of the IP addresses that the trunk's calls come from
#   CONTACT             address and port by which trunk and stations reach this machine
#   LISTEN              "udp:0.0.0.0:5060 tcp:0.0.0.0:5060"
#   TRUNK_USER, TRUNK_PASSWORD, TRUNK_DOMAIN, TRUNK_REALM   where the trunk wants a registration
#   PING_S              seconds between two OPTIONS to each station (5)
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
run=${RUN_DIR:-/run/kamailio}
: "${STATIONS:?}" "${TRUNK:?}" "${TRUNK_SOURCES:?}" "${CONTACT:?}"
mkdir -p "$run"
cp "$here/kamailio.cfg" "$run/kamailio.cfg"
for station in $STATIONS; do echo "1 sip:$station 0 0"; done >"$run/dispatcher.list"
{
  [ -z "${MODULES:-}" ] || echo "mpath=\"$MODULES\""
  for listen in ${LISTEN:-udp:0.0.0.0:5060 tcp:0.0.0.0:5060}; do
    case $listen in *0.0.0.0:*) echo "listen=$listen advertise $CONTACT" ;; *) echo "listen=$listen" ;; esac
  done
  echo "#!substdef \"!RUN_DIR!$run!g\""
  echo "#!substdef \"!CONTACT!$CONTACT!g\""
  echo "#!substdef \"!TRUNK_ADDRESS!$TRUNK!g\""
  echo "#!substdef \"!TRUNK_SOURCES!$TRUNK_SOURCES!g\""
  echo "#!define PING_S ${PING_S:-5}"
  [ -z "${TRUNK_USER:-}" ] || echo "#!define WITH_REGISTRATION"
} >"$run/site.cfg"
if [ -n "${TRUNK_USER:-}" ]; then
  mkdir -p "$run/registrations"
  printf 'table_name(string) table_version(int)\nuacreg:5\n' >"$run/registrations/version"
  domain=${TRUNK_DOMAIN:-${TRUNK%%:*}}
  {
    echo "id(int,auto) l_uuid(string) l_username(string) l_domain(string) r_username(string) r_domain(string) realm(string) auth_username(string) auth_password(string) auth_ha1(string,null) auth_proxy(string) expires(int) flags(int) reg_delay(int) contact_addr(string,null) socket(string,null)"
    escaped=$(printf '%s' "$TRUNK_PASSWORD" | sed 's/[\\:]/\\&/g')
    echo "1:trunk:$TRUNK_USER:${CONTACT%%:*}:$TRUNK_USER:$domain:${TRUNK_REALM:-$domain}:$TRUNK_USER:$escaped::sip\:$(echo "$TRUNK" | sed 's/:/\\:/g'):300:0:0::"
  } >"$run/registrations/uacreg"
fi
exec "${KAMAILIO:-kamailio}" -f "$run/kamailio.cfg" -DD -E -Y "$run" -P "$run/kamailio.pid" -m "${MEMORY_MB:-64}"
