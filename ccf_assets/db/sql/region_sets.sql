-- Views that group volumes and sites by the region sets. A group_name of NULL stands for what belongs to no group:
-- regions without a group in the set, and sites in no region. The whole file is run on every upgrade; all of it is
-- idempotent.

CREATE OR REPLACE VIEW ccf.region_set_volume AS
SELECT a.key AS atlas,
       s.set_name,
       m.group_name,
       v.hemisphere,
       sum(v.own_voxels)::bigint AS voxels,
       sum(v.own_mm3) AS volume_mm3,
       sum(v.own_voxels)::double precision
         / nullif(sum(sum(v.own_voxels)) OVER (PARTITION BY s.ccf_id, s.set_name, v.hemisphere), 0)::double precision
         AS share,
       s.ccf_id
FROM ccf.region_set AS s
JOIN ccf.atlas AS a USING (ccf_id)
JOIN ccf.region_volume AS v USING (ccf_id)
LEFT JOIN ccf.region_set_member AS m USING (ccf_id, set_name, region_id)
GROUP BY s.ccf_id, a.key, s.set_name, m.group_name, v.hemisphere;

COMMENT ON VIEW ccf.region_set_volume IS
  'Voxels, volume (mm³) and share of the brain of every group of every region set, by hemisphere; regions that belong to no group have group_name NULL';

CREATE OR REPLACE VIEW ccf.recording_site_group AS
SELECT a.key AS atlas,
       s.set_name,
       rr.recording_id,
       rr.site_id,
       m.group_name,
       rr.region_id,
       rr.hemisphere,
       rr.status,
       rr.source,
       s.ccf_id
FROM ccf.region_set AS s
JOIN ccf.atlas AS a USING (ccf_id)
JOIN ccf.recording_region AS rr USING (ccf_id)
LEFT JOIN ccf.region_set_member AS m USING (ccf_id, set_name, region_id);

COMMENT ON VIEW ccf.recording_site_group IS
  'Every site with its group. WHERE atlas = … AND set_name = … gives one row per site; group_name is NULL for a site in no group';

CREATE OR REPLACE VIEW ccf.sites_by_group AS
SELECT atlas,
       set_name,
       group_name,
       count(*) AS sites,
       count(DISTINCT recording_id) AS recordings,
       count(*)::double precision
         / sum(count(*)) OVER (PARTITION BY ccf_id, set_name)::double precision AS share,
       ccf_id
FROM ccf.recording_site_group
GROUP BY ccf_id, atlas, set_name, group_name;

COMMENT ON VIEW ccf.sites_by_group IS
  'Sites, recordings and share of all sites in every group of every region set; sites that belong to no group have group_name NULL';
