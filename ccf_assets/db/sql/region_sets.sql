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

COMMENT ON COLUMN ccf.region_set_volume.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.region_set_volume.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.region_set_volume.group_name IS 'The group; null for regions that belong to none';
COMMENT ON COLUMN ccf.region_set_volume.hemisphere IS 'left or right of the midline, or both';
COMMENT ON COLUMN ccf.region_set_volume.voxels IS 'Its voxels';
COMMENT ON COLUMN ccf.region_set_volume.volume_mm3 IS 'Its volume, mm³';
COMMENT ON COLUMN ccf.region_set_volume.share IS 'Its share of the brain, 0 to 1, in that hemisphere';
COMMENT ON COLUMN ccf.region_set_volume.ccf_id IS 'Number of the atlas';

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
       s.ccf_id,
       site.site_name
FROM ccf.region_set AS s
JOIN ccf.atlas AS a USING (ccf_id)
JOIN ccf.recording_region AS rr USING (ccf_id)
LEFT JOIN ccf.region_set_member AS m USING (ccf_id, set_name, region_id)
-- LEFT, so that who does not ask for the name does not pay for it.
LEFT JOIN ccf.recording_site AS site ON (site.recording_id, site.site_id) = (rr.recording_id, rr.site_id)
WHERE NOT EXISTS (
  SELECT FROM ccf.recording_site AS t
  WHERE t.kind = 'track' AND (t.recording_id, t.site_id) = (rr.recording_id, rr.site_id)
);

COMMENT ON VIEW ccf.recording_site_group IS
  'Every registered site with its group; points of tracks are left out. WHERE atlas = … AND set_name = … gives one row per site; group_name is NULL for a site in no group';

COMMENT ON COLUMN ccf.recording_site_group.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.recording_site_group.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.recording_site_group.recording_id IS 'Recording (recording_site)';
COMMENT ON COLUMN ccf.recording_site_group.site_id IS 'Number of the site in the recording';
COMMENT ON COLUMN ccf.recording_site_group.group_name IS 'The group of the site''s region; null for a site in no group';
COMMENT ON COLUMN ccf.recording_site_group.region_id IS 'Region at the site; null outside the brain';
COMMENT ON COLUMN ccf.recording_site_group.hemisphere IS 'left or right of the midline; null outside the volume, and in a space without a midline';
COMMENT ON COLUMN ccf.recording_site_group.status IS 'assigned, or why there is no region (recording_region)';
COMMENT ON COLUMN ccf.recording_site_group.source IS 'The file it came from, or the source of rows inserted by SQL';
COMMENT ON COLUMN ccf.recording_site_group.ccf_id IS 'Number of the atlas';
COMMENT ON COLUMN ccf.recording_site_group.site_name IS 'Name of the site; null where its source numbers its sites';

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

COMMENT ON COLUMN ccf.sites_by_group.atlas IS 'Key of the atlas (atlas.key)';
COMMENT ON COLUMN ccf.sites_by_group.set_name IS 'Region set (region_set)';
COMMENT ON COLUMN ccf.sites_by_group.group_name IS 'The group; null for sites that belong to none';
COMMENT ON COLUMN ccf.sites_by_group.sites IS 'Sites in the group';
COMMENT ON COLUMN ccf.sites_by_group.recordings IS 'Recordings with a site in the group';
COMMENT ON COLUMN ccf.sites_by_group.share IS 'Its share of all sites that are registered, 0 to 1';
COMMENT ON COLUMN ccf.sites_by_group.ccf_id IS 'Number of the atlas';
