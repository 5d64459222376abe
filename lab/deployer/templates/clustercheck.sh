#!/bin/sh
# Answers HAProxy's check of this database node: 200 when it is synced with a primary component, 503 otherwise. A node
# that gives its data to a joining one (state 2) serves too: there may be no other.
state=$(mysql --defaults-file=/etc/mysql/clustercheck.cnf -NBe "
    SELECT COUNT(*) FROM information_schema.GLOBAL_STATUS
    WHERE VARIABLE_NAME = 'WSREP_CLUSTER_STATUS' AND VARIABLE_VALUE = 'Primary'
    OR VARIABLE_NAME = 'WSREP_LOCAL_STATE' AND VARIABLE_VALUE IN ('2', '4')" 2>/dev/null)
if [ "$state" = 2 ]; then
    status="200 OK" text="Galera node is synced."
else
    status="503 Service Unavailable" text="Galera node is not synced."
fi
# The request is read, so that closing does not reset the connection under the answer.
while read -r line && [ "$line" != "$(printf '\r')" ] && [ -n "$line" ]; do :; done
printf 'HTTP/1.1 %s\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "$status" "${#text}" "$text"
