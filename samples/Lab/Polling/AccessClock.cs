namespace Dma.Lab;

/// <summary>The stores of a driver into registers since a moment, and when the device got each.</summary>
/// <param name="startNs">The moment.</param>
internal sealed class AccessClock(ulong startNs)
{
    private readonly List<ClockedStore> _stores = [];

    /// <summary>What was stored.</summary>
    public IReadOnlyList<ClockedStore> Stores => _stores;

    /// <summary>When the work was over, from the moment on; 0 until then.</summary>
    public ulong EndNs { get; private set; }

    /// <summary>The driver stores; what comes after the end is other work.</summary>
    public void Stored(string register, ulong value, ulong nowNs)
    {
        if (EndNs == 0)
            _stores.Add(new(register, value, nowNs - startNs, null));
    }

    /// <summary>The device got a value of a register: that of the first store of it which it had not got.</summary>
    public void Got(string register, ulong value, ulong nowNs)
    {
        int store = _stores.FindIndex(entry => entry.Register == register && entry.Value == value && entry.GotNs is null);
        if (store >= 0)
            _stores[store] = _stores[store] with { GotNs = nowNs - startNs };
    }

    /// <summary>The work is over.</summary>
    public void End(ulong nowNs) => EndNs = nowNs - startNs;
}

/// <summary>A store into a register.</summary>
/// <param name="Register">The register.</param>
/// <param name="Value">What was stored.</param>
/// <param name="StoredNs">When, from the beginning of the work.</param>
/// <param name="GotNs">When the device got it; null where it never did.</param>
public sealed record ClockedStore(string Register, ulong Value, ulong StoredNs, ulong? GotNs);
