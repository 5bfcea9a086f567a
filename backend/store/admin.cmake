leasefs_library(leasefs_store_admin_wire SOURCES admin_wire.cc USES leasefs_protocol leasefs_base)
leasefs_library(leasefs_store_admin
  SOURCES admin_server.cc admin_verbs.cc store_backend.cc
  USES leasefs_store leasefs_backend leasefs_store_admin_wire leasefs_base)
