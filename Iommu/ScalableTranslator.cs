using System.Runtime.CompilerServices;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The way of a request in scalable mode: context, PASID entry, tables, rights, faults.</summary>
internal sealed class ScalableTranslator(PhysicalMemory memory, HardwareProfile profile, FaultLog faults, ProtectedRegions regions)
{
    private readonly ScalableMode _mode = new(memory, profile);

    /// <summary>Pages for which tables were walked.</summary>
    public ulong Walks { get; private set; }

    /// <summary>Contexts read from memory.</summary>
    public ulong ContextReads { get; private set; }

    /// <summary>Who is told of walks; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    /// <summary>Translates one page's worth of any request but those that are interrupts.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    /// <param name="target">Where it lands.</param>
    /// <returns><c>false</c> where it is refused; the fault was reported.</returns>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public bool TryTranslate(PhysicalAddress root, SourceId source, ulong address, in Access access, out PhysicalAddress target)
    {
        ContextReads++;
        target = new(address);
        FaultReason reason = Resolve(root, source, access, default(NoObserver), out PasidInfo info, out Demand demand);
        if (reason == FaultReason.None && access.Type == AddressType.Translated)
        {
            reason = _mode.AdmitTranslated(address, default(NoObserver));
        }
        else if (reason == FaultReason.None)
        {
            Translation translation = Walk(source, info, address, demand);
            target = new(translation.Target(address));
            reason = ScalableMode.Judge(translation, address, demand, default(NoObserver));
        }

        if (reason == FaultReason.None)
            return info.Type != PasidTranslationType.PassThrough || !regions.Blocks(target.Value);
        Report(source, reason, address, access, info.FaultProcessingDisable);
        return false;
    }

    /// <summary>Answers a translation request of a device.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it asks for.</param>
    public TranslationCompletion RequestTranslation(PhysicalAddress root, SourceId source, ulong address, in Access access)
    {
        // What is wrong above the page tables makes the request unsupported, and is recorded.
        ContextReads++;
        FaultReason reason = Resolve(root, source, access, default(NoObserver), out PasidInfo info, out Demand demand);
        if (reason != FaultReason.None)
        {
            Report(source, reason, address, access, info.FaultProcessingDisable);
            return TranslationCompletion.Refused(
                IsStructural(reason) ? TranslationStatus.CompleterAbort : TranslationStatus.UnsupportedRequest);
        }

        Translation translation = Walk(source, info, address, demand);
        reason = ScalableMode.Judge(translation, address, demand, default(NoObserver));
        if (reason == FaultReason.None)
            return Complete(translation, demand, access);

        // What the device can ask the system to repair is a success without rights, and is not recorded.
        if (IsRecoverable(reason))
            return new(TranslationStatus.Success, default, 4096, false, false, false);
        Report(source, reason, address, access, info.FaultProcessingDisable);
        return TranslationCompletion.Refused(TranslationStatus.CompleterAbort);
    }

    /// <summary>Tells the story of one address from memory alone.</summary>
    /// <param name="root">The root table.</param>
    /// <param name="source">The requester.</param>
    /// <param name="address">The address on the bus.</param>
    /// <param name="access">What it wants.</param>
    /// <param name="steps">Where the story is written.</param>
    public WalkTranscript Explain(PhysicalAddress root, SourceId source, ulong address, in Access access, List<WalkStep> steps)
    {
        WalkRecorder recorder = new(steps);
        ulong target = address;
        ulong pageBytes = 0;
        FaultReason fault = Resolve(root, source, access, recorder, out PasidInfo info, out Demand demand);
        if (fault == FaultReason.None && access.Type == AddressType.Translated)
        {
            fault = _mode.AdmitTranslated(address, recorder);
        }
        else if (fault == FaultReason.None)
        {
            Translation translation = _mode.Walk(info, address, demand, recorder);
            fault = ScalableMode.Judge(translation, address, demand, recorder);
            target = translation.Target(address);
            pageBytes = info.Type == PasidTranslationType.PassThrough ? 0 : 1ul << translation.Shift;
        }

        bool passes = fault == FaultReason.None;
        return new(
            source,
            new(address),
            access.Write,
            access.Attributes,
            steps,
            fault,
            !info.FaultProcessingDisable,
            new(passes ? target : 0),
            passes ? pageBytes : 0);
    }

    // Who translates the request, and what it needs. Of a translated request, only whether it is one that is served.
    private FaultReason Resolve<TObserver>(
        PhysicalAddress root, SourceId source, in Access access, TObserver observer, out PasidInfo info, out Demand demand)
        where TObserver : struct, IWalkObserver
    {
        demand = default;
        ScalableContext context = _mode.ReadContext(root, source, observer);
        FaultReason fault = context.Fault;
        Pasid pasid = default;
        if (fault == FaultReason.None)
            fault = ScalableMode.AdmitRequest(context, access.Attributes, observer, out pasid);
        if (fault != FaultReason.None || access.Type == AddressType.Translated)
        {
            info = PasidInfo.None(fault, pasid, context.FaultProcessingDisable);
            return fault;
        }

        info = _mode.ReadPasid(context, pasid, observer);
        return info.Fault != FaultReason.None ? info.Fault : ScalableMode.AdmitAccess(context, info, access, observer, out demand);
    }

    private Translation Walk(SourceId source, in PasidInfo info, ulong address, in Demand demand)
    {
        Walks++;
        Observer?.Walked(source, new(address));
        return _mode.Walk(info, address, demand, default(NoObserver));
    }

    private static TranslationCompletion Complete(Translation translation, in Demand demand, in Access access) => new(
        TranslationStatus.Success,
        new(translation.Raw & Translation.FrameMask),
        1ul << translation.Shift,
        translation.Grants(Translation.Read),
        demand.Writes(translation),
        false)
    {
        Execute = access.Attributes.Pasid is not null && access.Attributes.Execute && demand.MayExecute(translation),
        Privileged = access.Attributes.Pasid is not null && access.Attributes.Privileged,
        Global = translation.Grants(Translation.Global),
    };

    private void Report(SourceId source, FaultReason reason, ulong address, in Access access, bool suppressed) =>
        faults.Report(new(source, reason, new(address), access.Write, access.Attributes), suppressed);

    // Broken structures, as against a request that the structures do not serve.
    private static bool IsStructural(FaultReason reason) => reason is
        FaultReason.ScalableRootAccess or FaultReason.ScalableRootReserved
        or FaultReason.ScalableContextAccess or FaultReason.ScalableContextReserved or FaultReason.ScalableContextInvalid
        or FaultReason.RequesterPasidBeyondDirectory
        or FaultReason.PasidDirectoryAccess or FaultReason.PasidDirectoryReserved
        or FaultReason.PasidEntryAccess or FaultReason.PasidEntryReserved or FaultReason.PasidEntryInvalid;

    // What is not there or not permitted, as against tables that are broken.
    private static bool IsRecoverable(FaultReason reason) => reason is
        FaultReason.FirstStageNotPresent or FaultReason.ScalableSecondStageNotPresent
        or FaultReason.NestedTableBeyondWidth or FaultReason.NestedTopTableNotReadable
        or FaultReason.NestedTableNotReadable or FaultReason.NestedTableNotWritable
        or FaultReason.AddressNotCanonical or FaultReason.AddressBeyondHost or FaultReason.ScalableAddressBeyondWidth
        or FaultReason.UserNotPermitted or FaultReason.ExecuteNotPermitted
        or FaultReason.ScalableWriteNotPermitted or FaultReason.ScalableReadNotPermitted;
}
