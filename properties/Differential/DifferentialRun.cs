using System.Globalization;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Plays programs on two machines and compares them after each step.</summary>
internal sealed class DifferentialRun(OurMachine ours, IDifferentialMachine theirs, IReadOnlyList<DifferenceRule> rules, RuleUse use) : IDisposable
{
    /// <summary>The name under which permitted stale answers are counted.</summary>
    public const string StaleAnswer = "stale answer that the model of the past permits";

    private const ulong FaultFlag = 1ul << 63;
    private const ulong PasidFlag = 1ul << 31;
    private static readonly ulong Pasid = Bits64.Mask(59, 40);

    private readonly Past _past = new(ours.Profile);
    private readonly SoftwareSide _software = new(ours, theirs);
    private readonly (string Name, int Offset, int Width)[] _watched = Watched(ours.Profile);

    public void Dispose() => _past.Dispose();

    /// <summary>Plays a program from power-on.</summary>
    /// <exception cref="Xunit.Sdk.XunitException">The machines differ where no rule says so.</exception>
    public void Play(DifferentialProgram program)
    {
        ours.Reset();
        theirs.Reset();
        _past.Begin();
        ours.Faults.Clear();
        _software.Begin(program);
        for (int number = 0; number < program.Steps.Length; number++)
        {
            try
            {
                if (!Play(program.Steps[number]))
                    return;
            }
            catch (Xunit.Sdk.XunitException difference)
            {
                Assert.Fail($"step {number}: {program.Steps[number]}\n{difference.Message}\nin\n{program}");
            }
        }

        Assert.Null(Ground.Difference(ours.Memory, theirs.Memory));
    }

    // False where the program ends early.
    private bool Play(DifferentialStep step)
    {
        ours.Faults.Clear();
        ours.Answers.Clear();
        _past.Look(ours.Memory, _software.Root);
        List<(string What, ulong Ours, ulong Theirs, string Text)> found = [];
        _software.Play(step, found, _past);
        _past.Look(ours.Memory, _software.Root);
        bool isStale = IsStale();
        IReadOnlyDictionary<string, ulong> left = Read(ours);
        IReadOnlyDictionary<string, ulong> right = Read(theirs);
        Compare(left, right, found);
        if (isStale)
        {
            // Both went their own way, as they may: from here on they go together again.
            use.Count(StaleAnswer);
            _software.Reconcile();
            return true;
        }

        bool goesOn = true;
        foreach ((string what, ulong our, ulong their, string text) in found)
            goesOn &= Excuse(new(step, what, our, their, text)
            {
                Faults = ours.Faults,
                Answers = ours.Answers,
                OurRegisters = left,
                TheirRegisters = right,
                Profile = ours.Profile,
                Tables = new(_past.Explain),
            });
        if (found.Count != 0 && goesOn)
            _software.Reconcile();
        return goesOn;
    }

    private bool Excuse(Difference difference)
    {
        foreach (DifferenceRule rule in rules)
        {
            if (!rule.Covers(difference))
                continue;
            use.Count(rule.Name);
            return !rule.EndsProgram;
        }

        Assert.Fail($"{difference.Text}\nour answers: {string.Join(", ", difference.Answers.Select(access => $"0x{access.Address:x} {access.Answer}"))}");
        return false;
    }

    // Whether some answer is not what tables say now; then it must be one of the past's.
    private bool IsStale()
    {
        bool stale = false;
        foreach (PageAccess access in ours.Answers.Where(_ => _software.IsTranslating))
        {
            if (_past.Fresh(access) == access.Answer)
                continue;
            stale = true;
            Assert.True(
                _past.Permits(access),
                $"Our unit answers 0x{access.Address:x} with {access.Answer}. Tables say {_past.Fresh(access)}, and what they said before is invalidated.");
        }

        return stale;
    }

    private Dictionary<string, ulong> Read(IDifferentialMachine machine)
    {
        ulong[] values = machine.ReadRegisters([.. _watched.Select(register => (register.Offset, register.Width))]);
        return _watched.Zip(values).ToDictionary(pair => pair.First.Name, pair => pair.Second);
    }

    private static void Compare(
        IReadOnlyDictionary<string, ulong> left, IReadOnlyDictionary<string, ulong> right, List<(string, ulong, ulong, string)> found)
    {
        bool recorded = ((left["FRCD_HI"] & right["FRCD_HI"]) >> 63) != 0;
        foreach (string name in left.Keys)
        {
            ulong mask = name switch
            {
                // A record without F says nothing, nor does its PASID without PP. The index of the first one means something
                // only while one is pending.
                "FRCD_LO" => recorded ? ulong.MaxValue : 0,
                "FRCD_HI" => !recorded ? FaultFlag : ((left[name] | right[name]) & PasidFlag) == 0 ? ~Pasid : ulong.MaxValue,
                "FSTS" => (left[name] & right[name] & 2) != 0 ? ulong.MaxValue : ~0xFF00ul,
                _ => ulong.MaxValue,
            };
            if (((left[name] ^ right[name]) & mask) != 0)
                found.Add((name, left[name], right[name], string.Create(CultureInfo.InvariantCulture, $"{name} is 0x{left[name]:x} here and 0x{right[name]:x} there")));
        }
    }

    private static (string, int, int)[] Watched(Iommu.HardwareProfile profile)
    {
        int record = RegisterOffsets.FaultRecord(profile.Capabilities, 0);
        return
        [
            ("GSTS", RegisterOffsets.GlobalStatus, 4),
            ("FSTS", RegisterOffsets.FaultStatus, 4),
            ("FECTL", RegisterOffsets.FaultEventControl, 4),
            ("FRCD_LO", record, 8),
            ("FRCD_HI", record + 8, 8),
            ("IQH", RegisterOffsets.InvalidationQueueHead, 8),
            ("IQT", RegisterOffsets.InvalidationQueueTail, 8),
            ("ICS", RegisterOffsets.InvalidationCompletionStatus, 4),
            ("IECTL", RegisterOffsets.InvalidationEventControl, 4),
        ];
    }
}
