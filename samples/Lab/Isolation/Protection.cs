using Dma.Iommu;

namespace Dma.Lab;

/// <summary>One of the things that isolation rests on, and that can be taken away to see that its loss is found.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Meaning">What is missing without it.</param>
internal sealed record Protection(string Name, string Meaning)
{
    /// <summary>Whether a host with a unit has it, so that it can be taken away.</summary>
    public Func<HardwareProfile, bool> IsThere { get; private init; } = static _ => true;

    /// <summary>Ports check who a request says that it is from.</summary>
    public static Protection SourceValidation { get; } = new(
        "source-validation", "ports let requests pass that name somebody else");

    /// <summary>The unit checks who raises an interrupt, and which.</summary>
    public static Protection InterruptRemapping { get; } = new(
        "interrupt-remapping", "devices raise whatever interrupt they like")
    {
        IsThere = static profile => profile.ExtendedCapabilities is { QueuedInvalidation: true, InterruptRemapping: true },
    };

    /// <summary>What is unmapped is forgotten by the unit.</summary>
    public static Protection Invalidation { get; } = new(
        "invalidation", "the unit answers from translations that are no more")
    {
        IsThere = static profile => profile is { ExtendedCapabilities.QueuedInvalidation: true, IotlbSets: not 0 },
    };

    /// <summary>What was unmapped and waits is forgotten by the unit, too, in time.</summary>
    public static Protection Flush { get; } = new(
        "flush", "unmaps that wait for their invalidation never get it")
    {
        IsThere = Invalidation.IsThere,
    };

    /// <summary>What a VM tells its own unit is passed on.</summary>
    public static Protection Shadow { get; } = new(
        "shadow", "the VMM takes no notice of what a VM invalidates in its own unit");

    /// <summary>A device forgets everything between two owners.</summary>
    public static Protection Reset { get; } = new(
        "reset", "a device brings what it knows from one owner to the next");

    /// <summary>A page that is mapped stays with its owner.</summary>
    public static Protection Pin { get; } = new(
        "pin", "a page that a device reaches may go to somebody else");

    /// <summary>Requests are translated.</summary>
    public static Protection Translation { get; } = new(
        "translation", "device addresses are memory addresses")
    {
        IsThere = static profile => profile.ExtendedCapabilities.PassThrough,
    };

    /// <summary>Devices that cannot be kept apart go to one VM together.</summary>
    public static Protection Groups { get; } = new("groups", "devices that nothing keeps apart go to different VMs");

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Protection> All { get; } = [SourceValidation, InterruptRemapping, Invalidation, Flush, Shadow, Reset, Pin, Groups, Translation];

    /// <summary>Their names, for messages.</summary>
    public static string Names => string.Join(", ", All.Select(protection => protection.Name));

    /// <summary>A protection by its name; null where there is none.</summary>
    public static Protection? Find(string name) => All.FirstOrDefault(protection => protection.Name == name);
}
