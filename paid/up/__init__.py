"""All of Paid on one machine: servers, gateway, worker, jobs and dashboard, started as one."""
