namespace Dma.Iommu;

/// <summary>The tenants of a unit's IOTLB and their numbers.</summary>
internal sealed class Tenants
{
    private Tenant?[] _byNumber = new Tenant?[64];
    private int _last;

    /// <summary>Whether all numbers were given away: before the next one, everything that is tagged has to go.</summary>
    public bool AreExhausted => _last + 1 == IotlbTag.TenantsMax;

    /// <summary>Gives a tenant a number that nothing is tagged with.</summary>
    public void Number(Tenant tenant)
    {
        if (++_last == _byNumber.Length)
            Array.Resize(ref _byNumber, _last * 2);
        _byNumber[_last] = tenant;
        tenant.Number = IotlbTag.Tenant(_last);
    }

    /// <summary>Whose a cached translation is; null where its tenant lost the number.</summary>
    /// <param name="tag">The tag of the translation.</param>
    public Tenant? OwnerOf(ulong tag)
    {
        int number = IotlbTag.TenantOf(tag);
        return _byNumber[number] is { } tenant && tenant.Number == IotlbTag.Tenant(number) ? tenant : null;
    }

    /// <summary>Numbers begin anew; none of those given away may be in use any more.</summary>
    public void Restart()
    {
        Array.Clear(_byNumber);
        _last = 0;
    }
}
