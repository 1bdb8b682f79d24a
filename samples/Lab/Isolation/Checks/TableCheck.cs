using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>Compares the tables of the remapping unit, as bytes in memory, with the books: each reaches what it should, and nothing else.</summary>
/// <param name="world">The world.</param>
internal sealed class TableCheck(IsolationWorld world)
{
    private const ulong PageBytes = 4096;

    private Host Host => world.Host;

    /// <summary>Reads all tables.</summary>
    public void Run()
    {
        AuditReport report = TableAudit.Run(Host.Memory, RequestOf(Host));
        foreach (AuditFault fault in report.Faults)
            world.Violate("I1", $"the tables of the unit are broken: {fault}");
        HashSet<WorldDevice> seen = [];
        foreach (AuditedFunction function in report.Functions)
        {
            if (world.DeviceAt(function.Source) is not { Assignment: { DomainId: not null, Machine: { } machine } } device)
            {
                world.Violate("K5", $"requester {function.Source} has a context entry, and no VM has it");
                continue;
            }

            _ = seen.Add(device);
            AuditedDomain?[] domains = function.Domain is { } legacy ? [legacy] : [.. function.Pasids.Select(pasid => pasid.Domain)];
            CheckDomains(device, machine, domains);
        }

        foreach (WorldDevice device in world.Devices)
        {
            if (!seen.Contains(device) && device.PagesMapped != 0)
                world.Violate("I1", $"{device.PagesMapped} pages are mapped for device {device.Name}, and it has no context entry");
        }

        foreach (AuditedInterrupt interrupt in report.Interrupts ?? [])
            CheckInterrupt(interrupt);
    }

    /// <summary>Where the tables of a host's unit are, as its registers say.</summary>
    public static AuditRequest RequestOf(Host host)
    {
        RootTableAddress root = new(new(host.Unit.Read(RegisterOffsets.RootTableAddress, 8)));
        return new()
        {
            Root = root.Table,
            Mode = root.Mode,
            Profile = host.Options.Profile,
            InterruptTable = host.Remapping.Interrupts is null ? null : new(new(host.Unit.Read(RegisterOffsets.InterruptTableAddress, 8))),
        };
    }

    private void CheckDomains(WorldDevice device, VirtualMachine machine, AuditedDomain?[] domains)
    {
        int pages = 0;
        foreach (AuditedDomain? domain in domains)
        {
            if (domain is null)
            {
                world.Violate("I1", $"requests of device {device.Name} are not translated");
                continue;
            }

            foreach (MappedRun run in domain.Runs)
            {
                for (ulong done = 0; done < run.Length; done += PageBytes, pages++)
                    CheckPage(device, machine, (run.Address.Value + done) >> 12, (run.Target.Value + done) >> 12, run.Rights);
            }
        }

        if (pages != device.PagesMapped && device is { Busy: 0, FollowsOf: null })
            world.Violate("I1", $"{pages} pages are in the tables of device {device.Name}, and {device.PagesMapped} are mapped");
    }

    private void CheckPage(WorldDevice device, VirtualMachine machine, ulong page, ulong frame, MappingRights rights)
    {
        int owner = world.Monitor.OwnerOf(frame);
        if (owner < 0 || world.Guests[owner].Machine != machine)
        {
            world.Violate("I1", $"device {device.Name} of {machine} reaches frame {frame:X}h at {page << 12:X}h, which is memory of {(owner < 0 ? "the host" : world.Guests[owner].Name)}");
            return;
        }

        if (Host.Frames.PinsOf(new(frame << 12)) == 0 || Host.Frames.OwnerOf(new(frame << 12)) != machine.Owner)
            world.Violate("I2", $"device {device.Name} reaches frame {frame:X}h, which is not pinned for {machine}");
        if (device is not { Busy: 0, FollowsOf: null })
            return;
        DmaDirection granted = (rights.HasFlag(MappingRights.Read) ? DmaDirection.ToDevice : 0) | (rights.HasFlag(MappingRights.Write) ? DmaDirection.FromDevice : 0);
        if (!device.TryFind(page, granted, out ulong expected) || expected != frame)
            world.Violate("I6", $"page {page << 12:X}h of device {device.Name} leads to frame {frame:X}h for {granted}, and its VM asked for no such thing");
        else if (device.TryFind(page, DmaDirection.Bidirectional, out _) && granted != DmaDirection.Bidirectional)
            world.Violate("I4", $"page {page << 12:X}h of device {device.Name} is open for {granted} alone");
    }

    // An entry may be raised by its owner alone; which one that is, the books know.
    private void CheckInterrupt(AuditedInterrupt interrupt)
    {
        InterruptRemappingEntry entry = interrupt.Entry;
        if (entry.SourceValidation != SourceValidationType.Requester || entry.SourceQualifier != SourceIdQualifier.All)
            world.Violate("K4", $"interrupt entry {interrupt.Index} may be raised by others than {entry.Source}");
        if (world.DeviceAt(entry.Source) is not { Assignment.Machine: not null })
            world.Violate("K5", $"interrupt entry {interrupt.Index} is of {entry.Source}, and no VM has it");
    }
}
