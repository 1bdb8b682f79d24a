using Dma.Hal;
using Dma.Iommu;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>Several VMs with one poller, whose steps come one after the other while all others go on with their stores.</summary>
internal sealed class PolledWorld : IDisposable
{
    private const ulong PeriodNs = PollingBench.PeriodNs;
    private const ulong NapNs = 10 * PeriodNs;
    private const int Bursts = 3;

    private readonly PolledProgram _program;
    private readonly PollingOptions _options;
    private readonly PolledLife?[] _lives;
    private readonly PolledPageWatch _pages;
    private readonly ulong _framesOfVmm;

    /// <summary>A host that runs.</summary>
    /// <param name="program">What becomes of its VMs.</param>
    /// <param name="only">The one VM that there is; null for all.</param>
    /// <param name="publishesFirst">Whether status is in memory before its interrupt.</param>
    public PolledWorld(PolledProgram program, int? only = null, bool publishesFirst = true)
    {
        _program = program;
        _options = new() { PeriodNs = PeriodNs, NapNs = NapNs, ChangesMax = program.ChangesMax, IdleTurnsMax = program.IdleTurnsMax, PublishesFirst = publishesFirst };
        Host = new(new HostOptions { MemoryBytes = 8 << 20, VmmBytes = 4 << 20, Profile = HardwareProfile.Named("minimal") });
        Host.Boot();
        _framesOfVmm = Host.Frames.CountOf(FrameOwner.Vmm);
        RegisterPoller poller = new(Host, _options);
        _pages = new(Host);
        _lives = [.. Enumerable.Range(0, program.Machines).Select(number => only is null || only == number ? new PolledLife(Host, poller, number, program.Access, LimitNs) : null)];
        foreach (PolledLife life in Lives)
            life.Start();
        Settle();
    }

    /// <summary>The host.</summary>
    public Host Host { get; }

    /// <summary>The VMs that there are.</summary>
    public IEnumerable<PolledLife> Lives => _lives.OfType<PolledLife>();

    /// <summary>A VM.</summary>
    public PolledLife this[int number] => _lives[number]!;

    /// <summary>Pages that were polled and were given back.</summary>
    public int PagesGivenBack => _pages.GivenBack;

    /// <summary>Steps that ended a VM, or took its device, while stores of another one were under way.</summary>
    public int EndedBeside { get; private set; }

    /// <summary>Plays the program; what does not hold is an assertion that fails.</summary>
    public void Play()
    {
        foreach (PolledStep step in _program.Steps)
        {
            PolledLife? acting = _lives[step.Number % _program.Machines];
            Random time = new(step.Seed);
            for (int burst = 0; burst < Bursts; burst++)
            {
                for (int number = 0; number < _lives.Length; number++)
                {
                    if (_lives[number] is { } life && life != acting)
                        life.GoOn(new(unchecked(step.Seed + (burst * 31) + (number * 7))));
                }

                if (burst == 0)
                    Begin(acting, step);
                Host.Loop.RunFor((ulong)time.NextInt64(2 * (long)PeriodNs));
            }

            Settle();
            CheckPages();
            foreach (PolledLife life in Lives)
                life.End();
        }

        foreach (PolledLife life in Lives)
            Host.Loop.Run(() => Host.Destroy(life.Machine).AsTask());
        Assert.Equal(_framesOfVmm, Host.Frames.CountOf(FrameOwner.Vmm));
    }

    /// <summary>H6, as things are now.</summary>
    public void CheckPages() => _pages.Check([.. Lives.Where(static life => life.Polled is not null).Select(static life => (life.Polled!, life.DecodedAt))]);

    public void Dispose() => Host.Dispose();

    private void Begin(PolledLife? acting, PolledStep step)
    {
        if (acting is null)
            return;
        bool isBeside = acting.Polled is not null && Lives.Any(life => life != acting && life.Waiting != 0);
        acting.Begin(step);
        EndedBeside += isBeside && acting.Polled is null ? 1 : 0;
    }

    // H1: the poller naps until then, or what others have changed takes longer; and so many changes at a time.
    private ulong LimitNs(int before)
    {
        ulong longestNs = (ulong)_program.Machines * (_options.TurnNs + (_options.ChangeNs * (ulong)Math.Min(_options.ChangesMax, WriteRing.Capacity)));
        ulong turnNs = Math.Max(PeriodNs, longestNs);
        return Math.Max(turnNs, _options.IdleTurnsMax is null ? 0 : NapNs) + ((ulong)(before / _options.ChangesMax) * turnNs);
    }

    // All that can be under way has had its time, a ring full of nonsense too.
    private void Settle() => Host.Loop.RunFor(LimitNs(WriteRing.Capacity) + (2 * LimitNs(0)));
}
