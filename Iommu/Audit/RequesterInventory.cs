using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>Reads root and context tables: who has an entry, and to which domain it leads.</summary>
internal sealed class RequesterInventory
{
    private readonly PhysicalMemory _memory;
    private readonly AuditRequest _request;
    private readonly AuditLog _log;
    private readonly TablePages _pages;
    private readonly ScalableReservedBits _reserved;
    private readonly ContextWalker _contexts;
    private readonly ScalableContextWalker _scalableContexts;
    private readonly PasidInventory _pasids;
    private readonly DomainInventory _domains;
    private readonly List<AuditedFunction> _functions = [];

    public RequesterInventory(PhysicalMemory memory, AuditRequest request, AuditLog log, TablePages pages, DomainInventory domains)
    {
        _memory = memory;
        _request = request;
        _log = log;
        _pages = pages;
        _domains = domains;
        _contexts = new(memory, request.Profile);
        _reserved = new(request.Profile);
        _scalableContexts = new(memory, request.Profile, _reserved);
        _pasids = new(memory, request.Profile, log, pages, domains, _reserved);
    }

    /// <summary>All functions with a present context entry, by number.</summary>
    public IReadOnlyList<AuditedFunction> Read()
    {
        bool scalable = _request.Mode == TranslationTableMode.Scalable;
        if (!_memory.IsBacked(_request.Root, 4096))
        {
            Broken(AuditStructure.Root, _request.Root, 0, scalable ? FaultReason.ScalableRootAccess : FaultReason.RootAccess);
            return _functions;
        }

        _pages.Add(_request.Root, AuditStructure.Root);
        for (int bus = 0; bus < 256; bus++)
        {
            PhysicalAddress at = _request.Root + ((ulong)bus * 16);
            if (!_memory.TryRead(at, out Bits128 raw))
                continue;
            if (scalable)
                ReadScalableBus(bus, at, new(raw));
            else
                ReadLegacyBus(bus, at, new(raw));
        }

        return _functions;
    }

    private void ReadLegacyBus(int bus, PhysicalAddress at, RootEntry root)
    {
        for (int function = 0; root.Present && function < 256; function++)
        {
            SourceId source = new((ushort)((bus << 8) | function));
            ContextInfo context = _contexts.Walk(_request.Root, source, default(NoObserver));
            if (context.Fault is FaultReason.RootReserved or FaultReason.ContextAccess)
            {
                Broken(AuditStructure.Root, at, root.Raw.Word0, context.Fault);
                return;
            }

            _pages.Add(root.ContextTable, AuditStructure.Context);
            PhysicalAddress entryAt = root.ContextTable + ((ulong)function * 16);
            if (context.Fault != FaultReason.ContextNotPresent && _memory.TryRead(entryAt, out Bits128 raw))
                ReadLegacyFunction(source, entryAt, raw, context);
        }
    }

    private void ReadLegacyFunction(SourceId source, PhysicalAddress at, Bits128 raw, in ContextInfo context)
    {
        bool passesThrough = context.Type == TranslationType.PassThrough;
        PhysicalAddress table = new(context.Root);
        FaultReason fault = context.Fault;

        // Pass-through must name the largest width, which of a unit that nothing is known of is not known either.
        ContextEntry entry = new(raw);
        if (fault == FaultReason.ContextInvalid
            && entry.TranslationType == TranslationType.PassThrough
            && _request.Profile == AuditRequest.AnyUnit
            && _request.Profile.Supports(entry.AddressWidth))
            (fault, passesThrough) = (FaultReason.None, true);

        // The top table is looked at by the walk of each address, and has the code of its context entry.
        if (fault == FaultReason.None && !passesThrough && !_memory.IsBacked(table, 4096))
            fault = FaultReason.ContextInvalid;
        AuditedDomain? domain = null;
        if (fault != FaultReason.None)
        {
            Broken(AuditStructure.Context, at, raw.Word0, fault);
        }
        else if (passesThrough)
        {
            _log.AddFinding(new(AuditFindingKind.PassThrough, default, [], Source: source));
        }
        else
        {
            domain = _domains.Find(new(PasidTranslationType.SecondStage, table, context.Levels), context.Domain, null);
            if (context.Type == TranslationType.WithDeviceTlb)
                _log.AddFinding(new(AuditFindingKind.TranslatedRequestsPass, default, [], Source: source));
        }

        _functions.Add(new(source, at, new(raw.Word0, raw.Word1, 0, 0), fault, domain, []));
    }

    private void ReadScalableBus(int bus, PhysicalAddress at, ScalableRootEntry root)
    {
        if (root.LowerPresent)
            ReadScalableHalf(bus << 8, at, root.LowerContextTable, root.Raw.Word0, root.Raw.Any(_reserved.RootLower));
        if (root.UpperPresent)
            ReadScalableHalf((bus << 8) | 0x80, at + 8, root.UpperContextTable, root.Raw.Word1, root.Raw.Any(_reserved.RootUpper));
    }

    private void ReadScalableHalf(int first, PhysicalAddress at, PhysicalAddress table, ulong raw, bool reserved)
    {
        if (reserved)
        {
            Broken(AuditStructure.Root, at, raw, FaultReason.ScalableRootReserved);
            return;
        }

        if (!_memory.IsBacked(table, 4096))
        {
            Broken(AuditStructure.Root, at, raw, FaultReason.ScalableContextAccess);
            return;
        }

        _pages.Add(table, AuditStructure.Context);
        for (int function = 0; function < 128; function++)
        {
            PhysicalAddress entryAt = table + ((ulong)function * 32);
            if (_memory.TryRead(entryAt, out Bits256 entry) && new ScalableContextEntry(entry).Present)
                ReadScalableFunction(new((ushort)(first | function)), entryAt, new(entry));
        }
    }

    private void ReadScalableFunction(SourceId source, PhysicalAddress at, ScalableContextEntry context)
    {
        FaultReason fault = _scalableContexts.Check(context, default(NoObserver));
        IReadOnlyList<AuditedPasid> pasids = [];
        if (fault == FaultReason.None && _request.Profile.ExtendedCapabilities.RidPasid && context.RequesterPasid.Value >> (context.PasidDirectorySize + 13) != 0)
            fault = FaultReason.RequesterPasidBeyondDirectory;
        if (fault == FaultReason.None && !_memory.IsBacked(context.PasidDirectory, 4096))
            fault = FaultReason.PasidDirectoryAccess;
        if (fault != FaultReason.None)
        {
            Broken(AuditStructure.Context, at, context.Raw.Word0, fault);
        }
        else
        {
            PasidInventory.Directory directory = _pasids.Read(context.PasidDirectory, context.PasidDirectorySize);
            pasids = directory.Pasids;
            if (directory.PassThrough is { } first)
                _log.AddFinding(new(AuditFindingKind.PassThrough, default, [], Source: source, Pasid: first.Pasid.Value));
            if (context.DeviceTlbEnabled)
                _log.AddFinding(new(AuditFindingKind.TranslatedRequestsPass, default, [], Source: source));
        }

        _functions.Add(new(source, at, context.Raw, fault, null, pasids));
    }

    private void Broken(AuditStructure structure, PhysicalAddress at, ulong raw, FaultReason reason) =>
        _log.AddFault(new(structure, 0, at, raw, reason, null, default));
}
