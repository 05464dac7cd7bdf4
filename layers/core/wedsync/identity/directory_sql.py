"""The statements of the directory. The functions are in schema/0007_directory_functions.sql."""

from __future__ import annotations

PUT_ORGANIZATION = """
    select created
      from app.put_organization(%(id)s, %(name)s, %(kind)s, %(verified)s)
"""

PUT_USER = """
    select created
      from app.put_user(%(id)s, %(display_name)s, %(email)s, %(phone)s, %(locale)s, %(time_zone)s)
"""

PUT_ORGANIZATION_MEMBER = """
    select created
      from app.put_organization_member(%(organization_id)s, %(user_id)s, %(role)s)
"""

PUT_WEDDING = """
    select created
      from app.put_wedding(%(id)s, %(organization_id)s, %(title)s, %(wedding_date)s, %(time_zone)s,
                           %(starts_at)s, %(ends_at)s, %(venue)s, %(status)s)
"""

PUT_WEDDING_MEMBER = """
    select created
      from app.put_wedding_member(%(wedding_id)s, %(user_id)s, %(role)s, %(organization_id)s,
                                  %(service)s, %(lead)s)
"""

# Row-level security shows a person his own rows only (R5): these need no condition of their own.
MY_USER = """
    select display_name, locale, time_zone
      from wedsync.users
"""

# The address that the directory states comes before one the person has entered.
MY_CONTACT_POINTS = """
    select channel, address
      from wedsync.contact_points
     where channel in ('email', 'phone')
     order by source, created_at
"""

MY_ORGANIZATIONS = """
    select m.organization_id, o.name, o.kind, m.role
      from wedsync.organization_members m
      join wedsync.organizations o on o.id = m.organization_id
     order by o.name, o.id
"""

MY_WEDDINGS = """
    select m.wedding_id, w.title, w.wedding_date, m.role, m.lead, m.service
      from wedsync.wedding_members m
      join wedsync.weddings w on w.id = m.wedding_id
     order by w.wedding_date, w.id
"""
