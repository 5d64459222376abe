"""What the rows of :mod:`lab.bench.history` are worded with."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WORDS = _words(
    "web db cache worker build gitlab kafka mail test ci proxy node app log master etcd bastion vpn jenkins "
    "runner elastic kibana grafana prometheus alert backup mirror registry harbor vault consul nomad spark hadoop "
    "hive airflow jupyter train infer gpu render encode stream edge cdn api gateway auth ldap sso billing crm "
    "shop search queue rabbit redis mongo mysql postgres galera ceph nfs ftp dns ntp monitor syslog demo lab "
    "student course exam research genome lidar"
)
FAULTS = (
    ("nova.exception", "NoValidHost", 500, "No valid host was found. There are not enough hosts available."),
    (
        "nova.exception",
        "BuildAbortException",
        500,
        "Build of instance {uuid} aborted: Volume {volume} did not finish being created even after we waited {seconds} "
        "seconds or {count} attempts. And its status is {word}.",
    ),
    (
        "oslo_messaging.exceptions",
        "MessagingTimeout",
        500,
        "Timed out waiting for a reply to message ID {message}",
    ),
    ("nova.exception", "InstanceNotFound", 404, "Instance {uuid} could not be found."),
    (
        "nova.exception",
        "PortBindingFailed",
        500,
        "Binding failed for port {port}, please check neutron logs for more information.",
    ),
    (
        "nova.exception",
        "VirtualInterfaceCreateException",
        500,
        "Virtual Interface creation failed for {port} ({mac})",
    ),
    (
        "libvirt",
        "libvirtError",
        500,
        "internal error: process exited while connecting to monitor: {time}Z qemu-system-x86_64: -drive file=rbd:"
        "volumes/volume-{volume}:id=volumes:auth_supported=cephx\\;none:mon_host={address}\\:6789,key={secret}: error "
        "connecting: Connection timed out",
    ),
    (
        "requests.exceptions",
        "ConnectionError",
        500,
        "HTTPConnectionPool(host='{address}', port={number}): Max retries exceeded with url: /v2.0/ports/{port}?"
        "fields=binding%3A{word}&limit={count} (Caused by NewConnectionError('<urllib3.connection.HTTPConnection "
        "object at 0x7f{pointer}>: Failed to establish a new connection: [Errno 111] ECONNREFUSED'))",
    ),
    (
        "oslo_db.exception",
        "DBDeadlock",
        500,
        "(pymysql.err.InternalError) (1213, 'Deadlock found when trying to get lock; try restarting transaction') "
        "[SQL: UPDATE instances SET updated_at=%(updated_at)s, task_state=%(task_state)s WHERE instances.id = "
        "%(instances_id)s] [parameters: {{'updated_at': '{time}', 'task_state': '{word}', 'instances_id': {number}}}]",
    ),
    (
        "cinderclient.exceptions",
        "ClientException",
        500,
        "The server has either erred or is incapable of performing the requested operation. (HTTP 500) (Request-ID: "
        "req-{message})",
    ),
    (
        "nova.exception",
        "MigrationError",
        500,
        "Migration error: Disk of instance {uuid} on {host} is too large for {address}: {number} bytes are needed, "
        "{count}{number} are free",
    ),
)
"""Module, name, code and text of what went wrong."""
FILES = _words(
    "nova/compute/manager.py nova/conductor/manager.py nova/scheduler/client/query.py nova/scheduler/utils.py "
    "nova/virt/libvirt/driver.py nova/virt/libvirt/guest.py nova/virt/libvirt/vif.py "
    "nova/virt/libvirt/imagebackend.py nova/virt/libvirt/storage/rbd_utils.py nova/virt/block_device.py "
    "nova/volume/cinder.py nova/network/neutron.py nova/objects/instance.py nova/db/main/api.py "
    "nova/exception_wrapper.py nova/utils.py oslo_messaging/rpc/client.py oslo_messaging/rpc/server.py "
    "oslo_messaging/rpc/dispatcher.py oslo_messaging/_drivers/amqpdriver.py oslo_concurrency/lockutils.py "
    "oslo_concurrency/processutils.py oslo_utils/excutils.py oslo_db/sqlalchemy/exc_filters.py eventlet/tpool.py "
    "eventlet/greenthread.py sqlalchemy/engine/base.py pymysql/connections.py neutronclient/client.py "
    "cinderclient/client.py keystoneauth1/session.py requests/adapters.py urllib3/connectionpool.py"
)
VERBS = _words(
    "do get build spawn create attach detach update wait send call plug prepare claim notify sync refresh "
    "allocate"
)
NOUNS = _words(
    "instance volume network port guest domain image disk connection context request migration vif device block "
    "mapping host resources state action event info cache server spec quota lock message reply"
)
PACKAGES = _words(
    "nginx git python3-pip docker.io htop curl jq postgresql-client redis-tools openjdk-11-jre nfs-common chrony "
    "rsync tmux build-essential libssl-dev ceph-common haproxy keepalived golang nodejs fail2ban "
    "unattended-upgrades vim ansible"
)
