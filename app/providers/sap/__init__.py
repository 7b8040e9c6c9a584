"""SAP S/4HANA Cloud: sales orders for accounting, and the invoices that SAP makes of them."""
